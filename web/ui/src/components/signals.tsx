/** The signals of a machine: one picked channel, its trend, spectrum and envelope spectrum, all live. */
import { useEffect, useState } from "preact/hooks";
import type { AlarmView, ChannelView, DiagnosisView } from "../schema";
import { texts } from "../texts";
import { Segmented } from "./segmented";
import { SpectrumPanel } from "./spectrum_panel";
import { TrendPanel } from "./trend_panel";

export interface SignalsProps {
  channels: readonly ChannelView[];
  headline: AlarmView | null;
  diagnosis: DiagnosisView | null;
  nowMs: number;
}

/** Process values (one sample now and then) have rate 0 and no spectrum. */
const isVibration = (channel: ChannelView): boolean => channel.sample_rate_hz > 0;

export function Signals({ channels, headline, diagnosis, nowMs }: SignalsProps) {
  const find = (id: string | null | undefined) => channels.find((channel) => channel.channel_id === id);
  const [pickedId, setPickedId] = useState<string | null>(null);
  // Until somebody picks one: the channel that the alarm is about.
  const meant = find(headline?.channel_id) ?? find(diagnosis?.channel_id);
  const first = meant ?? channels.find(isVibration) ?? channels[0];
  const [firstId, setFirstId] = useState(first?.channel_id ?? null);
  useEffect(() => {
    if (headline?.channel_id) setFirstId(headline.channel_id);
  }, [headline?.alarm_id]);
  const channel = find(pickedId) ?? find(firstId) ?? first;
  if (channel === undefined) return null;

  return (
    <section class="signals" aria-labelledby="signals">
      <div class="signals-head">
        <h2 id="signals">{texts.machine.signals}</h2>
        {channels.length > 1 && (
          <Segmented
            label={texts.machine.channel}
            value={channel.channel_id}
            options={channels.map((c) => [c.channel_id, c.name] as const)}
            onChange={setPickedId}
            testId="channel-picker"
          />
        )}
      </div>
      <div class="panels">
        <TrendPanel channel={channel} headline={headline} nowMs={nowMs} />
        <SpectrumPanel channel={channel} kind="amplitude" vibration={isVibration(channel)} nowMs={nowMs} />
        <SpectrumPanel channel={channel} kind="envelope" vibration={isVibration(channel)} nowMs={nowMs} />
      </div>
    </section>
  );
}
