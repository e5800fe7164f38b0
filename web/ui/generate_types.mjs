// Writes src/api.gen.ts from the appliance's OpenAPI document, or with --check says whether it is up to date.
//   .venv/bin/python -m web.openapi build/openapi.json      (in the repository's root)
//   npm run types                                           (in web/ui)
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const document = new URL("../../build/openapi.json", import.meta.url);
const target = new URL("src/api.gen.ts", import.meta.url);
const head = `// Generated. Do not edit; in the repository's root run
//   .venv/bin/python -m web.openapi build/openapi.json && (cd web/ui && npm run types)

`;

const text = head + astToString(await openapiTS(JSON.parse(await readFile(document, "utf8"))));
if (!process.argv.includes("--check")) {
  await writeFile(target, text);
} else if ((await readFile(target, "utf8")) !== text) {
  console.error("src/api.gen.ts is not what the OpenAPI document gives; run `npm run types`.");
  process.exitCode = 1;
}
