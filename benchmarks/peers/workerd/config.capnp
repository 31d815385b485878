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
    (className = "Put", uniqueKey = "put", enableSql = true),
    (className = "Get", uniqueKey = "get", enableSql = true),
    (className = "GetMany", uniqueKey = "getmany", enableSql = true),
    (className = "Relay", uniqueKey = "relay", enableSql = true),
    (className = "Said", uniqueKey = "said", enableSql = true),
    (className = "Answer", uniqueKey = "answer", enableSql = true),
    (className = "List100", uniqueKey = "list100", enableSql = true),
    (className = "List10000", uniqueKey = "list10000", enableSql = true),
    (className = "Cold", uniqueKey = "cold", enableSql = true),
    (className = "HibernatingCold", uniqueKey = "hibernating-cold", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "parties/echo", durableObjectNamespace = "Echo"),
    (name = "parties/fanout", durableObjectNamespace = "Fanout"),
    (name = "hibernating/echo", durableObjectNamespace = "HibernatingEcho"),
    (name = "hibernating/fanout", durableObjectNamespace = "HibernatingFanout"),
    (name = "parties/put", durableObjectNamespace = "Put"),
    (name = "parties/putshared", durableObjectNamespace = "Put"),
    (name = "parties/get", durableObjectNamespace = "Get"),
    (name = "parties/getmany", durableObjectNamespace = "GetMany"),
    (name = "parties/relay", durableObjectNamespace = "Relay"),
    (name = "parties/relayinterleaved", durableObjectNamespace = "Relay"),
    (name = "parties/said", durableObjectNamespace = "Said"),
    (name = "parties/request", durableObjectNamespace = "Answer"),
    (name = "parties/echoshared", durableObjectNamespace = "Echo"),
    (name = "hibernating/echoshared", durableObjectNamespace = "HibernatingEcho"),
    (name = "parties/list100", durableObjectNamespace = "List100"),
    (name = "parties/list10000", durableObjectNamespace = "List10000"),
    (name = "parties/cold", durableObjectNamespace = "Cold"),
    (name = "hibernating/cold", durableObjectNamespace = "HibernatingCold"),
  ],
);
