export default class Fanout {
  constructor(room) {
    this.room = room;
  }

  onMessage(message) {
    this.room.broadcast(message);
  }
}
