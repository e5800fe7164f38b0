/** Objects of the interface for tests, with what a test does not care about filled in. */
import type { AlarmView, SpectrumView } from "../src/schema";

export function alarm(change: Partial<AlarmView> = {}): AlarmView {
  return {
    alarm_id: "pump-2.machine-condition",
    asset_id: "pump-2",
    asset_name: "Pump 2",
    channel_id: "pump-2.x",
    rule: "machine condition",
    severity: "watch",
    state: "active, unacknowledged",
    activation: 1,
    raised_ms: 1_000,
    changed_ms: 1_000,
    time_trusted: true,
    fault: "outer race",
    confidence: 0.8,
    text: "outer race",
    evidence: {},
    durable: true,
    acknowledged_by: null,
    acknowledged_ms: null,
    comment: "",
    acknowledgements: [],
    shelved: null,
    shelved_until_ms: null,
    conflicts: [],
    ...change,
  };
}

export function spectrum(change: Partial<SpectrumView> = {}): SpectrumView {
  return {
    channel_id: "pump-2.x",
    kind: "envelope",
    time_ms: 0,
    first_hz: 0,
    step_hz: 10,
    values: [9, 1, 2, 5, 1],
    unit: "m/s²",
    markers: [],
    shaft_hz: 25,
    ...change,
  };
}
