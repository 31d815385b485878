export default class Echo {
  onMessage(message, sender) {
    sender.send(message);
  }
}
