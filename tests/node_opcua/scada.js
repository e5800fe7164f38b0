#!/usr/bin/env node
// A SCADA system's client: stays subscribed to some nodes and tells every notification, one JSON line each.
// node scada.js <folder>, then one JSON line on standard input:
//   {"url": ..., "user": ..., "password": ..., "namespace": ..., "nodes": [...]}
// It tells {"client"}, {"refused"}, {"subscribed"}, {"changed", "value", "status", "source_ms"}, {"lost"}; a connection that
// is refused or lost is tried again. It ends with its standard input.
"use strict";
const path = require("path");
const readline = require("readline");
const {
  AttributeIds, MessageSecurityMode, OPCUACertificateManager, OPCUAClient, SecurityPolicy, TimestampsToReturn, UserTokenType,
} = require("node-opcua");

const AGAIN_MS = 1000;
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function subscribed(session, { namespace, nodes }) {
  const index = (await session.readNamespaceArray()).indexOf(namespace);
  if (index < 0) throw new Error(`the server has no namespace ${namespace}`);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
  });
  const items = await subscription.monitorItems(
    nodes.map((node) => ({ nodeId: `ns=${index};s=${node}`, attributeId: AttributeIds.Value })),
    { samplingInterval: 100, discardOldest: true, queueSize: 20 }, TimestampsToReturn.Both);
  items.on("changed", (item, found, number) => tell({
    changed: nodes[number], value: found.value ? found.value.value : null, status: found.statusCode.name,
    source_ms: found.sourceTimestamp ? found.sourceTimestamp.getTime() : null,
  }));
  tell({ subscribed: nodes.length });
}

// One connection, until it is lost.
async function connection(certificates, wish) {
  const client = OPCUAClient.create({
    applicationName: "SCADA", endpointMustExist: false, clientCertificateManager: certificates,
    securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256,
    connectionStrategy: { maxRetry: 0, initialDelay: 50, maxDelay: 100 }, requestedSessionTimeout: 20000, keepSessionAlive: true,
  });
  const lost = new Promise((resolve) => {
    for (const event of ["connection_lost", "abort", "close"]) client.on(event, resolve);
  });
  try {
    await client.connect(wish.url);
    await subscribed(await client.createSession({ type: UserTokenType.UserName, userName: wish.user, password: wish.password }), wish);
    await lost;
    tell({ lost: true });
  } finally {
    await Promise.race([client.disconnect().catch(() => {}), pause(AGAIN_MS)]);
  }
}

async function main(wish) {
  const certificates = new OPCUACertificateManager({
    rootFolder: path.join(process.argv[2], "pki"), automaticallyAcceptUnknownCertificate: true,
  });
  await certificates.initialize();
  for (;;) {
    try {
      await connection(certificates, wish);
    } catch (error) {
      tell({ refused: String(error.message || error).split("\n")[0].trim() });
    }
    await pause(AGAIN_MS);
  }
}

tell({ client: `node-opcua ${require("node-opcua/package.json").version}` });
const lines = readline.createInterface({ input: process.stdin });
lines.once("line", (line) => main(JSON.parse(line)).catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); }));
lines.on("close", () => process.exit(0));
