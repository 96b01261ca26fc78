/** Entry point of the report page: draws what is in it, and asks nobody for anything. */
import { render } from "preact";
import { RunStore } from "../model/store";
import { type ReportData, dataOfPage } from "./data";
import { ReportPage } from "./page";

function show({ report, run, seconds }: ReportData) {
  const store = new RunStore(run);
  store.connection = { state: "over" };
  store.timeline.add(seconds);
  store.timeline.settled = run.settled_s ?? -1;
  if (report.autoscaler?.observed) store.scaler.merge(report.autoscaler, 0, 0);
  document.title = `${report.scenario} ${report.environment}: ${report.verdict ?? "not judged"}`;
  render(<ReportPage store={store} report={report} />, document.getElementById("app")!);
}

const data = dataOfPage();
if (data) show(data);
else document.getElementById("app")!.textContent = "This page is a template: no run has been put into it.";
