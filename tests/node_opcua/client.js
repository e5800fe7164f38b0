// A foreign OPC UA client: reads commands as JSON lines on standard input, answers each with one JSON line.
// {"id": 1, "do": "connect", "url": ..., "user": ..., "password": ..., "security": "Basic256Sha256" | "None"}
"use strict";
const path = require("path");
const readline = require("readline");
const {
  AttributeIds, DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAClient,
  SecurityPolicy, TimestampsToReturn, UserTokenType,
} = require("node-opcua");

const folder = process.argv[2];
const connections = new Map(); // name -> {client, session, subscription, changes}
let certificates = null;

async function certificateStore() {
  if (!certificates) {
    certificates = new OPCUACertificateManager({ rootFolder: path.join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
    await certificates.initialize();
  }
  return certificates;
}

function plain(dataValue) {
  const value = dataValue.value && dataValue.value.value;
  return {
    value: value === undefined ? null : value,
    type: dataValue.value ? DataType[dataValue.value.dataType] : null,
    status: dataValue.statusCode.name,
    source: dataValue.sourceTimestamp ? dataValue.sourceTimestamp.getTime() : null,
    server: dataValue.serverTimestamp ? dataValue.serverTimestamp.getTime() : null,
  };
}

const commands = {
  async connect({ name = "main", url, user, password, security = "Basic256Sha256", mode = "SignAndEncrypt", localAddress }) {
    const client = OPCUAClient.create({
      applicationName: "SCADA", endpointMustExist: false, clientCertificateManager: await certificateStore(),
      securityMode: security === "None" ? MessageSecurityMode.None : MessageSecurityMode[mode],
      securityPolicy: SecurityPolicy[security],
      connectionStrategy: { maxRetry: 0, initialDelay: 50, maxDelay: 100 },
      requestedSessionTimeout: 20000, keepSessionAlive: true,
    });
    try {
      await client.connect(url);
      const token = user === undefined ? { type: UserTokenType.Anonymous }
        : { type: UserTokenType.UserName, userName: user, password };
      const session = await client.createSession(token);
      connections.set(name, { client, session, changes: new Map() });
      return { connected: true };
    } catch (error) {
      await client.disconnect().catch(() => {});
      throw error;
    }
  },

  async endpoints({ url }) {
    const client = OPCUAClient.create({ endpointMustExist: false, clientCertificateManager: await certificateStore(), connectionStrategy: { maxRetry: 0 } });
    await client.connect(url);
    const found = await client.getEndpoints();
    await client.disconnect();
    return found.map((one) => ({
      policy: one.securityPolicyUri.split("#")[1], mode: MessageSecurityMode[one.securityMode],
      tokens: one.userIdentityTokens.map((token) => UserTokenType[token.tokenType]),
    }));
  },

  async browse({ name = "main", node }) {
    const { session } = connections.get(name);
    const result = await session.browse({ nodeId: node, browseDirection: 0, includeSubtypes: true, nodeClassMask: 0, resultMask: 63, referenceTypeId: "HierarchicalReferences" });
    if (!result.statusCode.isGood()) throw new Error(result.statusCode.name);
    return result.references.map((one) => ({
      node: one.nodeId.toString(), name: one.browseName.name, display: one.displayName.text, type: one.typeDefinition.toString(),
    }));
  },

  async read({ name = "main", nodes, attribute = "Value" }) {
    const { session } = connections.get(name);
    const found = await session.read(nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds[attribute] })));
    return found.map(plain);
  },

  async namespace({ name = "main", uri }) {
    const { session } = connections.get(name);
    return (await session.readNamespaceArray()).indexOf(uri);
  },

  async write({ name = "main", node, value, type = "Float" }) {
    const { session } = connections.get(name);
    const status = await session.write({ nodeId: node, attributeId: AttributeIds.Value, value: { value: { dataType: DataType[type], value } } });
    return status.name;
  },

  async subscribe({ name = "main", nodes, interval = 100, queue = 10 }) {
    const connection = connections.get(name);
    const subscription = await connection.session.createSubscription2({
      requestedPublishingInterval: interval, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
      maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
    });
    connection.subscription = subscription;
    const items = await subscription.monitorItems(
      nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
      { samplingInterval: interval, discardOldest: true, queueSize: queue }, TimestampsToReturn.Both);
    items.on("changed", (item, dataValue, index) => {
      const kept = connection.changes.get(nodes[index]) || [];
      kept.push({ ...plain(dataValue), at: Date.now() });
      connection.changes.set(nodes[index], kept.slice(-200));
    });
    return { interval: subscription.publishingInterval };
  },

  // Only counts what comes: for the benchmark.
  async count({ name = "main", nodes, interval = 100, queue = 20 }) {
    const connection = connections.get(name);
    const subscription = await connection.session.createSubscription2({
      requestedPublishingInterval: interval, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
      maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
    });
    connection.received = 0;
    subscription.on("raw_notification", (message) => {
      for (const part of message.notificationData || []) connection.received += (part.monitoredItems || []).length;
    });
    await subscription.monitorItems(
      nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })),
      { samplingInterval: 0, discardOldest: true, queueSize: queue }, TimestampsToReturn.Both);
    return { interval: subscription.publishingInterval };
  },

  async received({}) {
    return [...connections.values()].map((one) => one.received || 0);
  },

  async changes({ name = "main", node }) {
    return connections.get(name).changes.get(node) || [];
  },

  // From now on nothing is read from the server: its answers pile up there.
  async stall({ name = "main" }) {
    const { client } = connections.get(name);
    client._secureChannel.getTransport()._socket.pause();
    return { stalled: true };
  },

  // Many sessions at once, each on a connection of its own; answers how each went.
  async sessions({ url, user, password, count }) {
    const outcomes = {};
    const opened = [];
    for (let first = 0; first < count; first += 10) {
      await Promise.all(Array.from({ length: Math.min(10, count - first) }, async (_, index) => {
        const name = `many-${first + index}`;
        let outcome = "opened";
        try {
          await commands.connect({ name, url, user, password });
          opened.push(name);
        } catch (error) {
          const said = /Bad[A-Za-z]+/.exec(error.message);
          outcome = said ? said[0] : "connection refused";
        }
        outcomes[outcome] = (outcomes[outcome] || 0) + 1;
      }));
    }
    return { outcomes, opened: opened.length };
  },

  async closeMany({}) {
    const names = [...connections.keys()].filter((name) => name.startsWith("many-"));
    await Promise.all(names.map((name) => commands.disconnect({ name })));
    return names.length;
  },

  async disconnect({ name = "main" }) {
    const { client } = connections.get(name);
    connections.delete(name);
    await client.disconnect();
    return { disconnected: true };
  },
};

async function answer(line) {
  const command = JSON.parse(line);
  let reply;
  try {
    reply = { id: command.id, ok: await commands[command.do](command) };
  } catch (error) {
    reply = { id: command.id, error: String(error.message || error) };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => answer(line));
lines.on("close", () => process.exit(0));
process.stdout.write(JSON.stringify({ ready: true }) + "\n");
