/** The link to one source: its state by sign and word, why, what helps, and what it has counted. */
import { count, quantity } from "../format";
import { named } from "../names";
import type { LinkView } from "../schema";
import { texts } from "../texts";

export type LinkTone = "good" | "doubt" | "bad";

// Every state that is not named here wants a look.
const TONES: Record<string, LinkTone> = {
  connected: "good",
  streaming: "good",
  listening: "good",
  finished: "good",
  connecting: "doubt",
  identifying: "doubt",
  starting: "doubt",
};

/** A server of ours that listens and yet has something to say (nobody can sign in, a client waits) wants a look. */
export function linkTone(link: Pick<LinkView, "state" | "reason">): LinkTone {
  const tone = TONES[link.state] ?? "bad";
  return link.state === "listening" && link.reason !== "" ? "doubt" : tone;
}

export function LinkCard({ link }: { link: LinkView }) {
  const tone = linkTone(link);
  const counts = Object.entries(link.counts);
  const figures = Object.entries(link.figures);
  return (
    <article class={`card link link-${tone}`} data-testid={`link-${link.source_id}`}>
      <header class="link-head">
        <LinkSign tone={tone} />
        <strong class="link-state" data-testid="link-state">
          {link.state}
        </strong>
        <h3>{link.source_id}</h3>
        <span class="tag">{link.kind}</span>
      </header>
      {link.reason !== "" && <p>{link.reason}</p>}
      {link.remedy !== "" && (
        <p class="link-remedy">
          <strong>{texts.appliance.remedy}:</strong> {link.remedy}
        </p>
      )}
      <dl class="facts">
        {counts.map(([name, value]) => (
          <div key={name}>
            <dt>{named(name).name}</dt>
            <dd class="value">{count(value)}</dd>
          </div>
        ))}
        {figures.map(([name, value]) => {
          const { name: words, unit } = named(name);
          return (
            <div key={name}>
              <dt>{words}</dt>
              <dd class="value">{trimmed(value, unit)}</dd>
            </div>
          );
        })}
      </dl>
      <p class="link-address">{link.address}</p>
    </article>
  );
}

/** Four digits without idle zeros: "4 ms", "25600 Hz". */
function trimmed(value: number, unit: string): string {
  return quantity(value, unit, 4).replace(/\.0+(?=\D|$)/, "");
}

function LinkSign({ tone }: { tone: LinkTone }) {
  const path = {
    good: "M5 12.5l4.5 4.5L19 7",
    doubt: "M6 12h.01M12 12h.01M18 12h.01",
    bad: "M6 6l12 12M18 6L6 18",
  };
  return (
    <svg class="link-sign" width="26" height="26" viewBox="0 0 24 24" aria-hidden="true">
      <path d={path[tone]} />
    </svg>
  );
}
