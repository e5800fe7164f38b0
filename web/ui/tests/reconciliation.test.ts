import { describe, expect, it, vi } from "vitest";
import { Reconciliation } from "../src/components/reconciliation";
import { when } from "../src/format";
import type { ReconciliationReportView, ReconciliationView } from "../src/schema";
import { all, byTestId, facts, shown } from "./shown";

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0);
vi.mock("../src/hooks", () => ({ useNow: () => NOW_MS }));

function report(change: Partial<ReconciliationReportView> = {}): ReconciliationReportView {
  return {
    report_id: "r-1",
    cause: "reconnect",
    outage_from_ms: null,
    ended_ms: NOW_MS - 60_000,
    agrees: true,
    text: "12 series were compared; nothing differs.",
    figures: [],
    lines: [],
    lines_left_out: 0,
    ...change,
  };
}

function view(change: Partial<ReconciliationView> = {}): ReconciliationView {
  return {
    running: false,
    error: "",
    ended_ms: NOW_MS - 60_000,
    sent: 12_345,
    confirmed: 12_000,
    differing: 0,
    cut_or_gone: 0,
    report: null,
    ...change,
  };
}

const page = (change: Partial<ReconciliationView> = {}) => shown(Reconciliation({ view: view(change) }));

describe("agreement with the centre", () => {
  it("is not there without a centre, or where arrival is not audited", () => {
    expect(Reconciliation({ view: null })).toBeNull();
    expect(Reconciliation({ view: undefined })).toBeNull();
  });

  it("says how many points were sent and how many the centre is known to have", () => {
    expect(facts(page())).toEqual({
      "Points sent": "12\u202f345",
      "Confirmed there": "12\u202f000",
      Differ: "0",
      "Last compared": when(NOW_MS - 60_000, NOW_MS),
    });
    expect(byTestId(page(), "reconciliation-differs")).toBeNull();
    expect(byTestId(page(), "reconciliation-report")).toBeNull();
  });

  it("says loudly that something differs, and how much", () => {
    const differs = byTestId(page({ differing: 1_500 }), "reconciliation-differs");
    expect(differs?.props["class"]).toContain("notice-bad");
    expect(differs?.text).toContain("1\u202f500 points that were sent");
    expect(facts(page({ differing: 1_500 }))["Differ"]).toBe("1\u202f500");
  });

  it("names what the centre's retention cut only where there is any", () => {
    expect(Object.keys(facts(page()))).not.toContain("Cut by the centre's retention, or no longer here");
    expect(facts(page({ cut_or_gone: 7 }))["Cut by the centre's retention, or no longer here"]).toBe("7");
  });

  it("says when it was compared: now, at a time, or never", () => {
    expect(facts(page({ running: true }))["Last compared"]).toBe("now");
    expect(facts(page({ ended_ms: null }))["Last compared"]).toBe("not yet");
  });

  it("shows why the last round was not ended", () => {
    const told = all(page({ error: "the centre answers 401" })).filter((one) => one.props["class"] === "notice notice-bad");
    expect(told.map((one) => one.text)).toEqual(["the centre answers 401"]);
  });
});

describe("the report of a reconciliation", () => {
  const shownReport = (change: Partial<ReconciliationReportView>) => {
    const found = byTestId(page({ report: report(change) }), "reconciliation-report");
    expect(found).not.toBeNull();
    return found!;
  };
  const summary = (change: Partial<ReconciliationReportView>) =>
    all(shownReport(change)).find((one) => one.tag === "summary")?.text;

  it("says in its head when, why, and whether both sides agree", () => {
    const time = when(NOW_MS - 60_000, NOW_MS);
    expect(summary({})).toBe(`Report of ${time} (reconnect): both sides agree`);
    expect(summary({ agrees: false, cause: "interval" })).toBe(`Report of ${time} (interval): something needs attention`);
  });

  it("says since when the centre was away, where it was", () => {
    const away = shownReport({ outage_from_ms: NOW_MS - 3_600_000 });
    expect(away.text).toContain(`The centre was away from ${when(NOW_MS - 3_600_000, NOW_MS)}.`);
    expect(shownReport({}).text).not.toContain("was away");
  });

  it("lists its figures in words and its lines by part and subject", () => {
    const found = shownReport({
      figures: [{ name: "records_resent", meaning: "records sent again", value: 4_200 }],
      lines: [
        { part: "audit", subject: "features of motor-1.x", text: "8 points were missing and sent again", old: "", new: "" },
        { part: "counters", subject: "starts of motor-1", text: "the centre had 3, the box 5", old: "3", new: "5" },
      ],
    });
    expect(found.text).toContain("12 series were compared; nothing differs.");
    expect(facts(found)).toEqual({ "records sent again": "4\u202f200" });
    const lines = all(found).filter((one) => one.tag === "li");
    expect(lines.map((one) => one.text)).toEqual([
      "audit · features of motor-1.x8 points were missing and sent again",
      "counters · starts of motor-1the centre had 3, the box 5",
    ]);
  });

  it("never hides that lines were left out, and says where they are", () => {
    expect(shownReport({}).text).not.toContain("more lines");
    expect(shownReport({ lines_left_out: 1_200 }).text).toContain("1\u202f200 more lines: stethos reconcile --report");
  });
});
