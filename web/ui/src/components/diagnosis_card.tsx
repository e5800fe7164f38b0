/** What the diagnosis says, how sure it is, and how strong the evidence for each cause is. */
import { capitalised, fixed, percent } from "../format";
import { readable } from "../names";
import type { ChannelView, DiagnosisView } from "../schema";
import { texts } from "../texts";
import { Bar } from "./bars";
import { Empty } from "./notice";

export interface DiagnosisCardProps {
  diagnosis: DiagnosisView | null;
  channels: readonly ChannelView[];
  bearing: string | null;
}

const MOST_SHOWN = 6;
/** Below this everything is nothing: bars of zero length say no more than the verdict. */
const LEAST_SHOWN = 0.05;

export function DiagnosisCard({ diagnosis, channels, bearing }: DiagnosisCardProps) {
  return (
    <section class="card diagnosis" data-testid="diagnosis">
      <h2>{texts.machine.diagnosis}</h2>
      {diagnosis === null ? <Empty>{texts.machine.noDiagnosis}</Empty> : <Told diagnosis={diagnosis} />}
    </section>
  );

  function Told({ diagnosis: d }: { diagnosis: DiagnosisView }) {
    const channel = channels.find((c) => c.channel_id === d.channel_id)?.name ?? d.channel_id;
    return (
      <>
        <p class="verdict" data-testid="verdict">
          <strong>{d.fault === null ? capitalised(texts.machine.verdicts[d.verdict]) : capitalised(d.fault)}</strong>
          {d.verdict !== "abstain" && <> · {texts.machine.confidence(percent(d.confidence))}</>}
        </p>
        <p>{readable(d.text)}</p>
        <p class="hint">
          {d.verdict === "fault" && `${texts.machine.seenOn(channel)} · `}
          {bearing !== null && `${texts.machine.bearing} ${bearing}`}
        </p>
        <Ranking ranking={d.ranking} />
      </>
    );
  }
}

/** Evidence per cause against the limit of calling it a fault (1.0). */
function Ranking({ ranking }: { ranking: DiagnosisView["ranking"] }) {
  const shown = ranking.slice(0, MOST_SHOWN);
  if (!shown.some(([, evidence]) => evidence >= LEAST_SHOWN)) return null;
  const longest = Math.max(1.25, ...shown.map(([, evidence]) => evidence));
  return (
    <>
      <h3>{texts.machine.ranking}</h3>
      <ol class="ranking">
        {shown.map(([fault, evidence]) => (
          <li key={fault}>
            <span class="ranking-name">{fault}</span>
            <Bar
              fraction={evidence / longest}
              markAt={1 / longest}
              label={`${fault}: ${fixed(evidence, 2)}`}
              tone={evidence >= 1 ? "over" : "plain"}
            />
            <span class="ranking-value value">{fixed(evidence, 2)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
