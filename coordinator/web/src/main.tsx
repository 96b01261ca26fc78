/** Entry point of the dashboard. */
import { render } from "preact";
import { App } from "./screens/app";

render(<App />, document.getElementById("app")!);
