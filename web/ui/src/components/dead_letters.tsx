/** What receivers refused for good, with their reasons, and its sending again. Nothing is shown while there is none. */
import { useState } from "preact/hooks";
import { count, NONE, slug, when } from "../format";
import { useNow, usePolled } from "../hooks";
import type { ApplianceView, DeadLetterView, Problem } from "../schema";
import { api } from "../session";
import { texts } from "../texts";
import { ProblemNotice, problemFrom } from "./notice";

const t = texts.refused;
const PAGE = 20;
const EVERY_MS = 10_000;

type Tally = ApplianceView["dead_letters"][number];

export function DeadLetters({ tallies }: { tallies: readonly Tally[] }) {
  const own = tallies.filter((tally) => tally.refused > 0);
  if (own.length === 0) return null;
  return (
    <section class="card refused" aria-labelledby="refused" data-testid="refused">
      <h2 id="refused">{t.title}</h2>
      <p>{t.why}</p>
      {own.map((tally) => (
        <Destination key={tally.destination} tally={tally} />
      ))}
    </section>
  );
}

function Destination({ tally }: { tally: Tally }) {
  const [shown, setShown] = useState(PAGE);
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const { destination } = tally;
  // Asked again as soon as the count that the live stream brings has changed.
  const key = `${destination}/${tally.refused}/${shown}`;
  const { value } = usePolled(key, EVERY_MS, () => api.deadLetters(destination, Math.min(shown, 200)));

  const again = async (letterIds: string[] | null) => {
    setBusy(true);
    setProblem(null);
    try {
      const { sent_again } = await api.redrive(destination, letterIds);
      setTold(t.sentAgain(sent_again));
    } catch (error) {
      setProblem(problemFrom(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="refused-by" data-testid={`refused-${slug(destination)}`}>
      <div class="refused-head">
        <h3>{t.by(destination, tally.refused)}</h3>
        <button type="button" class="button" disabled={busy} onClick={() => void again(null)} data-testid="redrive-all">
          {t.sendAll}
        </button>
      </div>
      {tally.dropped > 0 && <p class="hint">{t.dropped(count(tally.dropped))}</p>}
      <p role="status" data-testid="redrive-told">
        {told}
      </p>
      {problem && <ProblemNotice problem={problem} />}
      {value !== undefined && (
        <details class="more" data-testid="refused-list">
          <summary>{t.list}</summary>
          <ul class="letters">
            {value.letters.map((letter) => (
              <Letter key={letter.letter_id} letter={letter} busy={busy} onAgain={() => void again([letter.letter_id])} />
            ))}
          </ul>
          {value.letters.length < value.total && shown < 200 && (
            <button type="button" class="button" onClick={() => setShown(Math.min(200, shown + 3 * PAGE))}>
              {t.more(count(value.total - value.letters.length))}
            </button>
          )}
        </details>
      )}
    </div>
  );
}

function Letter({ letter, busy, onAgain }: { letter: DeadLetterView; busy: boolean; onAgain: () => void }) {
  const nowMs = useNow();
  return (
    <li class="letter" data-testid={`letter-${slug(letter.letter_id)}`}>
      <p>
        <strong>{letter.kind}</strong> · {letter.record_id} ·{" "}
        <span class="value">{letter.refused_ms === null ? NONE : when(letter.refused_ms, nowMs)}</span>
      </p>
      <p class="letter-reason">{letter.reason}</p>
      <button type="button" class="button" disabled={busy} onClick={onAgain} data-testid="redrive-one">
        {t.sendOne}
      </button>
    </li>
  );
}
