/** The channels of a machine: whether each signal can be trusted, and what its sensor's verdict is. */
import { NONE, percent, quantity, rpm } from "../format";
import { firstFeature, shownFeature } from "../names";
import type { ChannelView } from "../schema";
import { texts } from "../texts";

export function SensorList({ channels }: { channels: readonly ChannelView[] }) {
  return (
    <section class="card sensors">
      <h2>{texts.machine.sensors}</h2>
      <ul>
        {channels.map((channel) => (
          <li key={channel.channel_id} data-testid={`channel-${channel.channel_id}`}>
            <span class={`quality quality-${channel.quality}`}>
              <QualitySign quality={channel.quality} />
              <span class="visually-hidden">{texts.machine.quality[channel.quality]}</span>
            </span>
            <span class="sensor-name">{channel.name}</span>
            <span class="sensor-value value">{latest(channel)}</span>
            {(channel.quality !== "good" || channel.sensor_verdict !== null) && (
              <span class="sensor-verdict">
                {channel.sensor_verdict ?? texts.machine.quality[channel.quality]}
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function latest(channel: ChannelView): string {
  const present = channel.features.filter((name) => typeof channel.latest[name] === "number");
  const feature = present.includes("rms_mps2") ? "rms_mps2" : firstFeature(present, false);
  const value = feature === null ? null : channel.latest[feature];
  if (feature === null || value === null || value === undefined) return NONE;
  const { unit, factor } = shownFeature(channel, feature);
  if (unit === "%") return percent((value * factor) / 100);
  return unit === "rpm" ? rpm(value) : quantity(value * factor, unit);
}

function QualitySign({ quality }: { quality: ChannelView["quality"] }) {
  const path = { good: "M5 12.5l4.5 4.5L19 7", uncertain: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 17.5v.5", bad: "M6 6l12 12M18 6L6 18" };
  return (
    <svg width="20" height="20" viewBox="0 0 24 24" aria-hidden="true">
      <path d={path[quality]} />
    </svg>
  );
}
