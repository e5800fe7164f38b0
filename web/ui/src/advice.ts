/** What a technician should do about an alarm, from its rule, fault and severity. Words only; in English. */
import type { AlarmView, Severity } from "./schema";

const BEARING =
  "Listen at the bearing and check its temperature and lubrication. Order the bearing; plan its replacement.";

const BY_FAULT: Record<string, string> = {
  "outer race": BEARING,
  "inner race": BEARING,
  "rolling element": BEARING,
  cage: `${BEARING} A broken cage can jam the bearing without much further warning.`,
  unbalance: "Look for build-up, wear or a lost part on the rotor; clean it, then balance.",
  misalignment: "Check the alignment of the coupling and the tightness of the feet, cold and warm.",
  looseness: "Check foundation bolts, feet and bearing seats for looseness.",
  electrical:
    "Have an electrician measure the currents of the phases under load. Twice the supply frequency: check soft foot, air gap and loose iron. Sidebands of the shaft's line: check the rotor's bars.",
  gear: "Check the gearbox's oil level and look for metal in the oil; inspect the teeth.",
};

const BY_SEVERITY: Partial<Record<Severity, string>> = {
  stop: "Vibration at this level damages the machine. Stop it as soon as the process allows, and call the person in charge.",
  warn: "Not fit to run like this for long. Watch the trend each shift and plan the repair at the next opportunity.",
  watch: "No need to stop. Watch the trend and look at the machine on the next round.",
};

// The first rule that the alarm's rule contains decides.
const BY_RULE: [string, string][] = [
  [
    "sensor",
    "Check the sensor: mounting, cable, connector. The machine is not judged by this sensor until its signal is sound.",
  ],
  ["source", "Check the cable and power of the source; the Appliance page says what it is doing and what helps."],
  ["link", "Check the cable and power of the source; the Appliance page says what it is doing and what helps."],
  ["journal", "Check the appliance's disk on the Appliance page. Alarms are still shown, but not yet kept."],
  ["disk", "Free space or replace the appliance's disk; see the Appliance page."],
  ["overload", "The appliance cannot keep up. See its queues and drops on the Appliance page."],
];

/** Sentences in order of urgency; empty when nothing needs to be done. */
export function adviceFor(alarm: Pick<AlarmView, "rule" | "fault" | "severity" | "state">): string[] {
  if (!alarm.state.startsWith("active")) return [];
  const rule = alarm.rule.toLowerCase();
  const byRule = BY_RULE.find(([word]) => rule.includes(word));
  if (byRule) return [byRule[1]];
  const sentences = [
    BY_SEVERITY[alarm.severity],
    alarm.fault === null ? undefined : BY_FAULT[alarm.fault],
  ];
  return sentences.filter((sentence) => sentence !== undefined);
}
