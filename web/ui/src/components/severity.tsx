/** Severity by shape, word and colour at once: none of them has to be seen alone. */
import type { Severity } from "../schema";
import { texts } from "../texts";

const CLASS: Record<Severity, string> = {
  "not rated": "sev-none",
  good: "sev-good",
  watch: "sev-watch",
  warn: "sev-warn",
  stop: "sev-stop",
};

export const severityClass = (severity: Severity): string => CLASS[severity];

/** Circle with a tick, eye-like diamond, triangle, octagon, dashed circle. */
export function SeverityShape({ severity, size = 24 }: { severity: Severity; size?: number }) {
  return (
    <svg class="shape" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      {shape(severity)}
    </svg>
  );
}

function shape(severity: Severity) {
  switch (severity) {
    case "good":
      return (
        <>
          <circle class="shape-body" cx="12" cy="12" r="10" />
          <path class="shape-sign" d="M7 12.5l3.5 3.5L17 9" />
        </>
      );
    case "watch":
      return (
        <>
          <path class="shape-body" d="M12 1.5L22.5 12 12 22.5 1.5 12z" />
          <path class="shape-sign" d="M8 13.5l2.6-3 2.8 3L16 10" />
        </>
      );
    case "warn":
      return (
        <>
          <path class="shape-body" d="M12 2.2L23 21.5H1z" />
          <path class="shape-sign" d="M12 9v6M12 17.8v.8" />
        </>
      );
    case "stop":
      return (
        <>
          <path class="shape-body" d="M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z" />
          <path class="shape-sign" d="M8 8l8 8M16 8l-8 8" />
        </>
      );
    case "not rated":
      return (
        <>
          <circle class="shape-open" cx="12" cy="12" r="9.5" />
          <path class="shape-open-sign" d="M8 12h8" />
        </>
      );
  }
}

export function SeverityBadge({ severity, testId }: { severity: Severity; testId?: string }) {
  return (
    <span class={`severity ${severityClass(severity)}`} data-testid={testId} data-severity={severity}>
      <SeverityShape severity={severity} />
      <span class="severity-word">{texts.severities[severity]}</span>
    </span>
  );
}

// An alarm that rates no machine (a sensor, a source, the appliance) says "check" instead of "not rated".

export const alarmClass = (severity: Severity): string =>
  severity === "not rated" ? "sev-check" : severityClass(severity);

export function AlarmBadge({ severity, testId }: { severity: Severity; testId?: string }) {
  if (severity !== "not rated") {
    return testId === undefined ? <SeverityBadge severity={severity} /> : <SeverityBadge severity={severity} testId={testId} />;
  }
  return (
    <span class="severity sev-check" data-testid={testId} data-severity={severity}>
      <svg class="shape" width={24} height={24} viewBox="0 0 24 24" aria-hidden="true">
        <rect class="shape-body" x="2" y="2" width="20" height="20" rx="4" />
        <path class="shape-sign" d="M9 9.5a3 3 0 1 1 4.2 2.7c-.9.4-1.2 1-1.2 2M12 17.4v.4" />
      </svg>
      <span class="severity-word">{texts.check}</span>
    </span>
  );
}
