// Durable Objects that do the work of benchmarks/rooms.py: /parties/<party>/<room> takes its
// sockets with accept(), /hibernating/<party>/<room> with the hibernation API.
import { DurableObject } from "cloudflare:workers";

class Room extends DurableObject {
  sockets = new Set();

  fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    this.sockets.add(server);
    server.addEventListener("message", (event) => this.webSocketMessage(server, event.data));
    server.addEventListener("close", () => this.sockets.delete(server));
    return new Response(null, { status: 101, webSocket: client });
  }
}

class HibernatingRoom extends DurableObject {
  fetch(request) {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
}

export class Echo extends Room {
  webSocketMessage(socket, message) {
    socket.send(message);
  }
}

export class Fanout extends Room {
  webSocketMessage(socket, message) {
    for (const receiver of this.sockets) receiver.send(message);
  }
}

export class HibernatingEcho extends HibernatingRoom {
  webSocketMessage(socket, message) {
    socket.send(message);
  }
}

export class HibernatingFanout extends HibernatingRoom {
  webSocketMessage(socket, message) {
    for (const receiver of this.ctx.getWebSockets()) receiver.send(message);
  }
}

export default {
  fetch(request, env) {
    const [, kind, party, room] = new URL(request.url).pathname.split("/");
    return env[`${kind}/${party}`].getByName(room).fetch(request);
  },
};
