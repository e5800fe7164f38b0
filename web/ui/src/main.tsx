import { render } from "preact";
import { App } from "./app";
import { begin } from "./session";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/controls.css";
import "./styles/tables.css";
import "./styles/machines.css";
import "./styles/alarms.css";
import "./styles/appliance.css";
import "./styles/health.css";
import "./styles/limits.css";
import "./styles/plots.css";
import "./styles/narrow.css";

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
void begin();
