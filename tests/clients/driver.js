// A program that does with partysocket what a test tells it: JSON lines in, JSON lines out.
import { createInterface } from "node:readline";
import PartySocket from "partysocket";
import WebSocket from "ws";

const sockets = new Map();
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

const commands = {
  open({ name, options, first }) {
    let asked = 0;
    if (options.names) {             // another query each time that it connects
      const { names } = options;
      options.query = async () => ({ name: names[asked++], unset: null });
    }
    const socket = new PartySocket({ WebSocket, ...options });
    socket.binaryType = "arraybuffer";
    for (const event of ["open", "message", "close", "error"]) {
      socket.addEventListener(event, ({ data, code, reason }) => {
        if (data instanceof ArrayBuffer) data = [...new Uint8Array(data)];
        say({ name, event, data, code, reason });
      });
    }
    sockets.set(name, socket);
    for (const data of first ?? []) socket.send(data);    // before it can be open
    commands.state({ name });
  },
  send({ name, data, bytes }) {
    const now = sockets.get(name).send(bytes ? new Uint8Array(bytes) : data);
    say({ name, event: "sent", now });
  },
  state({ name }) {
    const { id, room, roomUrl, readyState, retryCount } = sockets.get(name);
    say({ name, event: "state", id, room, roomUrl, readyState, retryCount });
  },
  move({ name, options }) {
    const socket = sockets.get(name);
    socket.updateProperties(options);
    socket.reconnect();
  },
  reconnect({ name }) {
    sockets.get(name).reconnect();
  },
  close({ name, code, reason }) {
    sockets.get(name).close(code, reason);
    commands.state({ name });
  },
  async fetch({ options, init }) {
    const answer = await PartySocket.fetch(options, init);
    say({ event: "answer", status: answer.status, url: answer.url, body: await answer.text() });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  await commands[command.do](command);
}
process.exit(0);
