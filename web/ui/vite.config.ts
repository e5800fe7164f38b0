import { defineConfig } from "vite";

// The appliance to develop against: `STETHOS_URL=http://127.0.0.1:8080 npm run dev`.
declare const process: { env: Record<string, string | undefined> };

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    // Wall panels carry old browsers.
    target: ["chrome90", "firefox90", "safari14.1"],
    // A data: URI would need a wider content security policy than 'self'.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  server: {
    proxy: { "/api": process.env["STETHOS_URL"] ?? "http://127.0.0.1:8080" },
  },
});
