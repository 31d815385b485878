// A page with partysocket's React hook, as an application has it.
import { useState } from "react";
import { createRoot } from "react-dom/client";
import usePartySocket from "partysocket/react";

const room = new URLSearchParams(location.search).get("room");
const READY = ["connecting", "open", "closing", "closed"];

function Chat() {
  const [lines, setLines] = useState([]);
  const [state, setState] = useState("connecting");
  const [ids, setIds] = useState([]);
  const socket = usePartySocket({
    party: "chat",
    room,
    minReconnectionDelay: 50,
    onOpen: () => { setState("open"); setIds((before) => [...before, socket.id]); },
    onClose: () => setState(READY[socket.readyState]),
    onMessage: ({ data }) => {
      const told = JSON.parse(data);
      if (told.type === "message") setLines((before) => [...before, told.message.text]);
      if (told.type === "people") setState(`open, ${told.count} here`);
    },
  });
  return (
    <>
      <output>{state}</output>
      <button onClick={() => socket.send("said by a page")}>Say</button>
      <ol>{lines.map((line, number) => <li key={number}>{line}</li>)}</ol>
      <code>{ids.join(" ")}</code>
    </>
  );
}

function Page() {
  const [there, setThere] = useState(true);
  return (
    <>
      <button onClick={() => setThere(!there)}>{there ? "Leave" : "Come"}</button>
      {there && <Chat />}
    </>
  );
}

createRoot(document.getElementById("root")).render(<Page />);
