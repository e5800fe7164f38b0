// node-opcua's own server for the benchmark: variables that change together, encrypted, with user and password.
// node server.js <folder> <variables> <changes per second> <user> <password>
"use strict";
const path = require("path");
const { DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes } = require("node-opcua");

const [folder, variables, rateHz, user, password] = process.argv.slice(2);

async function main() {
  const certificates = new OPCUACertificateManager({ rootFolder: path.join(folder, "server-pki"), automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const server = new OPCUAServer({
    port: 0, hostname: "127.0.0.1", allowAnonymous: false, serverCertificateManager: certificates,
    securityModes: [MessageSecurityMode.SignAndEncrypt], securityPolicies: [SecurityPolicy.Basic256Sha256],
    userManager: { isValidUser: (name, given) => name === user && given === password },
    serverCapabilities: { maxSessions: 100 },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const made = [];
  for (let index = 0; index < Number(variables); index++) {
    made.push(own.addVariable({
      organizedBy: space.rootFolder.objects, browseName: `v${index}`, nodeId: `s=v${index}`, dataType: "Float",
      minimumSamplingInterval: 0,
    }));
  }
  await server.start();
  let round = 0;
  setInterval(() => {
    round += 1;
    const now = new Date();
    for (const variable of made) variable.setValueFromSource({ dataType: DataType.Float, value: round }, StatusCodes.Good, now);
  }, 1000 / Number(rateHz));
  const port = server.endpoints[0].port;
  process.stdout.write(JSON.stringify({ ready: true, url: `opc.tcp://127.0.0.1:${port}`, prefix: `ns=${own.index};s=` }) + "\n");
}

main().catch((error) => { process.stderr.write(String(error.stack)); process.exit(1); });
