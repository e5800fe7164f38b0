/** Captured waveforms of an alarm or of a machine: a list that is fetched when opened, pictures and files on demand. */
import { useEffect, useState } from "preact/hooks";
import { captureReason, fileHref } from "../capture_book";
import { bytes, quantity, slug, when } from "../format";
import { usePolled } from "../hooks";
import { readable } from "../names";
import { WaveformPlot } from "../plots/waveform_plot";
import type { CaptureView, Problem, WaveformView } from "../schema";
import { api } from "../session";
import { captureTexts as t } from "../texts_captures";
import { Empty, ProblemNotice, problemFrom } from "./notice";
import { Segmented } from "./segmented";

const EVERY_MS = 10_000;
const POINTS = 1000;

interface Of {
  alarmId?: string;
  assetId?: string;
}

export function Captures({ of, nowMs }: { of: Of; nowMs: number }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="more" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="captures">
      <summary>{t.title}</summary>
      {open && <List of={of} nowMs={nowMs} />}
    </details>
  );
}

function List({ of, nowMs }: { of: Of; nowMs: number }) {
  const { value, problem } = usePolled(`${of.alarmId}/${of.assetId}`, EVERY_MS, () => api.captures(of));
  return (
    <>
      <p class="hint">{t.why}</p>
      {of.assetId !== undefined && <TakeOne assetId={of.assetId} />}
      {value === undefined && problem && <ProblemNotice problem={problem} />}
      {value === undefined && !problem && <Empty>{t.loading}</Empty>}
      {value?.length === 0 && <Empty>{of.alarmId === undefined ? t.noneByHand : t.none}</Empty>}
      {value !== undefined && value.length > 0 && (
        <ul class="captures">
          {value.map((capture) => (
            <Capture key={capture.capture_id} capture={capture} nowMs={nowMs} />
          ))}
        </ul>
      )}
    </>
  );
}

function TakeOne({ assetId }: { assetId: string }) {
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const take = async () => {
    setBusy(true);
    setProblem(null);
    setTold("");
    try {
      const { capture_ids } = await api.beginCapture(assetId, "");
      setTold(t.began(capture_ids.length));
    } catch (error) {
      setProblem(problemFrom(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="button" disabled={busy} onClick={() => void take()} data-testid="capture-now">
        {busy ? t.taking : t.take}
      </button>
      <p role="status" data-testid="capture-told">
        {told}
      </p>
      {problem && <ProblemNotice problem={problem} />}
    </>
  );
}

function Capture({ capture, nowMs }: { capture: CaptureView; nowMs: number }) {
  const [drawn, setDrawn] = useState(false);
  const { actor, text } = captureReason(capture);
  const id = capture.capture_id;
  return (
    <li class="capture" data-testid={`capture-${slug(id)}`}>
      <p>
        <strong class="value">{when(capture.trigger_ms, nowMs)}</strong> · {capture.sensor_id} ·{" "}
        {t.span(quantity(capture.duration_s, "s"), capture.channels.length, bytes(capture.size_bytes))}
        {actor !== "" && <> · {t.byHand(actor)}</>}
      </p>
      {text !== "" && <p class="hint">{readable(text)}</p>}
      {!capture.complete && <p class="hint">{t.growing}</p>}
      {capture.ended !== "" && <p class="hint">{t.ended(capture.ended)}</p>}
      {capture.size_bytes > 0 && (
        <p class="capture-actions">
          <button type="button" class="button" aria-expanded={drawn} onClick={() => setDrawn(!drawn)} data-testid="capture-draw">
            {t.draw}
          </button>
          {(["wav", "uff"] as const).map((format) => (
            <a key={format} class="button" href={fileHref(id, format)} download aria-label={t.file(t[format], id)} data-testid={`capture-${format}`}>
              {t[format]}
            </a>
          ))}
        </p>
      )}
      {drawn && <Picture key={`${id}/${capture.complete}`} captureId={id} />}
    </li>
  );
}

function Picture({ captureId }: { captureId: string }) {
  const [picture, setPicture] = useState<WaveformView | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [channel, setChannel] = useState("0");
  useEffect(() => {
    let wanted = true;
    api.waveform(captureId, POINTS).then(
      (found) => wanted && setPicture(found),
      (error: unknown) => wanted && setProblem(problemFrom(error)),
    );
    return () => {
      wanted = false;
    };
  }, [captureId]);
  if (problem) return <ProblemNotice problem={problem} />;
  if (picture === null) return <Empty>{t.loading}</Empty>;
  return (
    <div data-testid="waveform-plot">
      {picture.channels.length > 1 && (
        <Segmented
          label={t.channel}
          value={channel}
          options={picture.channels.map((name, index): [string, string] => [String(index), name])}
          onChange={setChannel}
        />
      )}
      <WaveformPlot picture={picture} channel={Number(channel)} name={picture.channels[Number(channel)] ?? ""} />
    </div>
  );
}
