import { render } from "preact";
import { App } from "./app";
import { begin } from "./session";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/plots.css";

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
void begin();
