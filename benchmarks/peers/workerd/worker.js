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

export class Answer extends DurableObject {
  async fetch(request) {
    return new Response(await request.text());
  }
}

// Room-to-room calls: a Relay asks another object by RPC and answers with its answer.
export class Relay extends Room {
  async webSocketMessage(socket, message) {
    const other = this.env["parties/said"].getByName("other");
    socket.send(await other.say(message));
  }
}

export class Said extends DurableObject {
  say(message) {
    return message;
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

// Storage. Keys and values as in rooms.py; the output gate of a Durable Object holds an answer back
// until what was put before it is on disk.
const KEYS = 1000;
const AT_ONCE = 128; // keys in one put
const keyOf = (number) => `key-${String(number).padStart(8, "0")}`;

async function fill(storage, count, size = 64) {
  for (let start = 0; start < count; start += AT_ONCE) {
    const pairs = {};
    for (let i = start; i < Math.min(start + AT_ONCE, count); i++) pairs[keyOf(i)] = "x".repeat(size);
    await storage.put(pairs);
  }
}

export class Put extends Room {
  webSocketMessage(socket, message) {
    const number = parseInt(message.slice(8, 16), 16) % KEYS;
    this.ctx.storage.put(keyOf(number), message);
    socket.send(message);
  }
}

export class Get extends Room {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(() => fill(ctx.storage, KEYS));
  }

  async webSocketMessage(socket, message) {
    const number = parseInt(message.slice(8, 16), 16) % KEYS;
    const value = await this.ctx.storage.get(keyOf(number));
    if (value.length === 64) socket.send(message);
  }
}

const MANY = 20_000;

export class GetMany extends Room {
  turn = 0;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(() => fill(ctx.storage, MANY, 1024));
  }

  async webSocketMessage(socket, message) {
    this.turn = (this.turn + 1) % MANY;
    const value = await this.ctx.storage.get(keyOf(this.turn));
    if (value.length === 1024) socket.send(message);
  }
}

class List extends Room {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(() => fill(ctx.storage, this.count));
  }

  async webSocketMessage(socket, message) {
    const values = await this.ctx.storage.list();
    if (values.size === this.count) socket.send(message);
  }
}

export class List100 extends List {
  get count() { return 100; }
}

export class List10000 extends List {
  get count() { return 10_000; }
}

// Waking and density: the class Cold of rooms.py. What storage says is read before the first event.
const counting = (Base) => class extends Base {
  handled = 0;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      this.count = (await ctx.storage.get("count")) ?? 0;
    });
  }

  fetch(request) {
    if (request.headers.has("Upgrade")) return super.fetch(request);
    return new Response(this.counted());
  }

  webSocketMessage(socket, message) {
    socket.send(this.counted());
  }

  counted() {
    this.count += 1;
    this.handled += 1;
    this.ctx.storage.put("count", this.count);
    return `${this.handled} of ${this.count}`;
  }
};

export class Cold extends counting(Room) {}

export class HibernatingCold extends counting(HibernatingRoom) {}

export default {
  fetch(request, env) {
    const [, kind, party, room] = new URL(request.url).pathname.split("/");
    return env[`${kind}/${party}`].getByName(room).fetch(request);
  },
};
