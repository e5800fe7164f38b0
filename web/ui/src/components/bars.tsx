/** Bars: progress of learning, a share of a limit, a filled queue. The figure always stands beside. */

export interface BarProps {
  /** 0..1 of the bar's length. */
  fraction: number;
  label: string;
  /** Where the bar is marked, 0..1: the limit. */
  markAt?: number;
  tone?: "plain" | "over";
}

export function Bar({ fraction, label, markAt, tone = "plain" }: BarProps) {
  const length = Math.min(1, Math.max(0, Number.isFinite(fraction) ? fraction : 0));
  return (
    <svg class={`bar bar-${tone}`} role="img" aria-label={label} viewBox="0 0 100 8" preserveAspectRatio="none">
      <rect class="bar-track" width="100" height="8" />
      <rect class="bar-fill" width={length * 100} height="8" />
      {markAt !== undefined && (
        <line class="bar-mark" x1={markAt * 100} x2={markAt * 100} y1="0" y2="8" vector-effect="non-scaling-stroke" />
      )}
    </svg>
  );
}

export function ProgressBar({ percent, label, testId }: { percent: number; label: string; testId?: string }) {
  return (
    <progress class="progress" max={100} value={percent} aria-label={label} data-testid={testId}>
      {`${Math.round(percent)} %`}
    </progress>
  );
}
