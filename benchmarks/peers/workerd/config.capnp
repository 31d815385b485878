# workerd with one Worker and its Durable Object classes. Storage is SQLite on disk, as deployed.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .rooms),
    (name = "disk", disk = (writable = true)),  # the path comes from the command line
  ],
  sockets = [(name = "http", http = (), service = "main")],  # and so does the address
);

const rooms :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [
    (className = "Echo", uniqueKey = "echo", enableSql = true),
    (className = "Fanout", uniqueKey = "fanout", enableSql = true),
    (className = "HibernatingEcho", uniqueKey = "hibernating-echo", enableSql = true),
    (className = "HibernatingFanout", uniqueKey = "hibernating-fanout", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "parties/echo", durableObjectNamespace = "Echo"),
    (name = "parties/fanout", durableObjectNamespace = "Fanout"),
    (name = "hibernating/echo", durableObjectNamespace = "HibernatingEcho"),
    (name = "hibernating/fanout", durableObjectNamespace = "HibernatingFanout"),
  ],
);
