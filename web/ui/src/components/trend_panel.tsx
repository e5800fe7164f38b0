/** The trend of one channel: which feature, over which span; asked again while it is looked at. */
import { useState } from "preact/hooks";
import { isActive } from "../alarm_book";
import { usePolled } from "../hooks";
import { shownLimit } from "../limit_book";
import { firstFeature, SCORE, shownFeature } from "../names";
import { inShownUnit } from "../plots/scales";
import { TrendPlot } from "../plots/trend_plot";
import type { AlarmView, ChannelView, TrendView } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { Empty, ProblemNotice } from "./notice";
import { Segmented } from "./segmented";

type Span = "10min" | "1h" | "1d" | "all";

const SPANS: Record<Span, { ms: number | null; everyMs: number }> = {
  "10min": { ms: 600_000, everyMs: 2_000 },
  "1h": { ms: 3_600_000, everyMs: 3_000 },
  "1d": { ms: 86_400_000, everyMs: 10_000 },
  all: { ms: null, everyMs: 15_000 },
};
const MOST_POINTS = 1_000;

/** The shortest span that is drawn. */
const LEAST_SPAN_MS = 60_000;

interface Asked {
  trend: TrendView;
  name: string;
  unit: string;
  fromMs: number;
  toMs: number;
  sinceMs: number | null;
}

export function TrendPanel({ channel, headline, nowMs }: { channel: ChannelView; headline: AlarmView | null; nowMs: number }) {
  const [span, setSpan] = useState<Span>("10min");
  const [picked, setPicked] = useState<string | null>(null);
  const [state, setState] = useState<string | null>(null);
  const feature =
    picked !== null && channel.features.includes(picked)
      ? picked
      : firstFeature(channel.features, headline !== null && isActive(headline));

  const { ms, everyMs } = SPANS[span];
  const { value, problem } = usePolled(`${channel.channel_id}|${feature}|${span}`, everyMs, async (): Promise<Asked | null> => {
    if (feature === null) return null;
    const toMs = nowMs;
    const fromMs = ms === null ? null : toMs - ms;
    const kept = await api.trend(channel.channel_id, feature, fromMs, ms === null ? null : toMs, MOST_POINTS);
    const { name, unit, factor } = shownFeature(channel, feature, kept.unit);
    const trend = inShownUnit(kept, factor);
    const firstMs = startOf(trend, toMs);
    const startMs = Math.min(firstMs, toMs - LEAST_SPAN_MS);
    // A young history is drawn as wide as the picture, and says where it begins.
    const young = fromMs !== null && startMs - fromMs > (toMs - fromMs) / 10;
    return { trend, name, unit, fromMs: fromMs === null || young ? startMs : fromMs, toMs, sinceMs: young ? firstMs : null };
  });

  return (
    <section class="card panel" data-testid="trend-plot">
      <h3>{texts.trend.title}</h3>
      <div class="plot-controls">
        <label class="field inline">
          <span>{texts.trend.feature}</span>
          <select
            value={feature ?? ""}
            data-testid="feature-picker"
            onChange={(event) => setPicked(event.currentTarget.value)}
          >
            {channel.features.map((name) => {
              const { name: words, unit } = shownFeature(channel, name);
              return (
                <option key={name} value={name}>
                  {unit === "" || name === SCORE ? words : `${words} (${unit})`}
                </option>
              );
            })}
          </select>
        </label>
        {value && value.trend.limits.length > 1 && (
          <label class="field inline">
            <span>{texts.limits.stateOfTrend}</span>
            <select
              value={shownLimit(value.trend.limits, state)?.operating_state ?? ""}
              data-testid="limit-state-picker"
              onChange={(event) => setState(event.currentTarget.value)}
            >
              {value.trend.limits.map((one) => (
                <option key={one.operating_state} value={one.operating_state}>
                  {one.present ? `${one.operating_state} (${texts.limits.now})` : one.operating_state}
                </option>
              ))}
            </select>
          </label>
        )}
        <Segmented
          label={texts.trend.span}
          value={span}
          options={(Object.keys(SPANS) as Span[]).map((key) => [key, texts.trend.spans[key]] as const)}
          onChange={setSpan}
          testId="span-picker"
        />
      </div>
      {value ? (
        <TrendPlot
          trend={value.trend}
          learned={shownLimit(value.trend.limits, state)}
          name={value.name}
          unit={value.unit}
          withoutLimit={withoutLimit(channel, value.trend.feature)}
          fromMs={value.fromMs}
          toMs={value.toMs}
          sinceMs={value.sinceMs}
          nowMs={nowMs}
        />
      ) : (
        <div class="plot-space plot-space-trend">
          {problem ? (
            <ProblemNotice problem={problem} />
          ) : (
            <Empty>{feature === null ? texts.trend.nothingYet : texts.trend.loading}</Empty>
          )}
        </div>
      )}
    </section>
  );
}

/** What is said where no limit is: only the deviation has one, and process values are not judged. */
function withoutLimit(channel: ChannelView, feature: string): string {
  if (feature === SCORE) return texts.trend.noLimitYet;
  return channel.sample_rate_hz > 0 ? texts.trend.noOwnLimit : "";
}

/** When the first value, or the first known gap, begins. */
function startOf(trend: TrendView, toMs: number): number {
  return trend.gaps.reduce((first, gap) => Math.min(first, gap.start_ms), trend.times_ms[0] ?? toMs);
}
