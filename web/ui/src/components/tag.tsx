/** Small marks on a record: "time provisional", "not durable"; each explains itself. */
import { texts } from "../texts";

function Mark({ word, why, testId }: { word: string; why: string; testId: string }) {
  return (
    <span class="tag tag-doubt" data-testid={testId} title={why}>
      {word}
      <span class="visually-hidden">: {why}</span>
    </span>
  );
}

export function DoubtMarks({ durable, timeTrusted }: { durable: boolean; timeTrusted: boolean }) {
  return (
    <>
      {!timeTrusted && (
        <Mark word={texts.alarms.provisionalTime} why={texts.alarms.provisionalTimeWhy} testId="time-provisional" />
      )}
      {!durable && <Mark word={texts.alarms.notDurable} why={texts.alarms.notDurableWhy} testId="not-durable" />}
    </>
  );
}
