/** One spectrum of one channel, asked again while it is looked at. */
import { when } from "../format";
import { usePolled } from "../hooks";
import { SpectrumPlot } from "../plots/spectrum_plot";
import type { ChannelView, SpectrumKind } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { Empty, ProblemNotice } from "./notice";

const EVERY_MS = 2_000;

export interface SpectrumPanelProps {
  channel: ChannelView;
  kind: SpectrumKind;
  vibration: boolean;
  nowMs: number;
}

export function SpectrumPanel({ channel, kind, vibration, nowMs }: SpectrumPanelProps) {
  const { value, problem } = usePolled(`${channel.channel_id}|${kind}|${vibration}`, EVERY_MS, () =>
    vibration ? api.spectrum(channel.channel_id, kind) : Promise.resolve(null),
  );
  const nothing = () => {
    if (!vibration) return texts.spectrum.notFor;
    if (value === undefined) return texts.spectrum.loading;
    return kind === "envelope" ? texts.spectrum.noneEnvelope : texts.spectrum.none;
  };
  return (
    <section class="card panel" data-testid={kind === "envelope" ? "envelope-plot" : "spectrum-plot"}>
      <h3>
        {texts.spectrum[kind]}
        {value && <span class="taken-at">{texts.spectrum.takenAt(when(value.time_ms, nowMs))}</span>}
      </h3>
      {value ? (
        <SpectrumPlot spectrum={value} channelName={channel.name} faultMarkers={kind === "envelope"} />
      ) : (
        <div class="plot-space plot-space-spectrum">
          {problem && value === undefined ? <ProblemNotice problem={problem} /> : <Empty>{nothing()}</Empty>}
        </div>
      )}
    </section>
  );
}
