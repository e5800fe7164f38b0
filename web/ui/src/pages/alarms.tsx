/** All alarms: what needs attention first, the closed ones on request. */
import { useMemo, useState } from "preact/hooks";
import { inOrderOfAttention, isActive, isOpen, isUnacknowledged } from "../alarm_book";
import { AlarmCard } from "../components/alarm_card";
import { Empty, ProblemNotice } from "../components/notice";
import { Segmented } from "../components/segmented";
import { useNow, usePolled } from "../hooks";
import type { AlarmView } from "../schema";
import { api, state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

type Filter = "open" | "unacknowledged" | "active" | "all";

const FITS: Record<Filter, (alarm: AlarmView) => boolean> = {
  open: isOpen,
  unacknowledged: isUnacknowledged,
  active: isActive,
  all: () => true,
};
const CLOSED_EVERY_MS = 10_000;

export function AlarmsPage() {
  const book = useStore(state, (s) => s.alarms);
  const known = useStore(state, (s) => s.alarmsKnown);
  const [filter, setFilter] = useState<Filter>("open");
  const [assetId, setAssetId] = useState("");
  const nowMs = useNow();
  const withClosed = filter === "all";
  const everything = usePolled(`alarms/${withClosed}`, CLOSED_EVERY_MS, () =>
    withClosed ? api.alarms(true) : Promise.resolve(null),
  );

  const alarms = useMemo(() => {
    const merged = new Map((everything.value ?? []).map((alarm) => [alarm.alarm_id, alarm]));
    for (const alarm of book.values()) merged.set(alarm.alarm_id, alarm); // live ones are never older
    return inOrderOfAttention(merged.values());
  }, [book, everything.value]);
  const machines = new Map(alarms.map((alarm) => [alarm.asset_id, alarm.asset_name]));
  const shown = alarms.filter((alarm) => FITS[filter](alarm) && (assetId === "" || alarm.asset_id === assetId));

  return (
    <div class="page narrow">
      <h1 tabIndex={-1}>{texts.alarms.title}</h1>
      <div class="filters">
        <Segmented
          label={texts.alarms.filter}
          value={filter}
          options={(Object.keys(FITS) as Filter[]).map((key) => [key, texts.alarms.filters[key]] as const)}
          onChange={setFilter}
          testId="alarm-filter"
        />
        {(machines.size > 1 || assetId !== "") && (
          <label class="field inline">
            <span>{texts.alarms.machine}</span>
            <select value={assetId} onChange={(event) => setAssetId(event.currentTarget.value)}>
              <option value="">{texts.alarms.allMachines}</option>
              {[...machines].map(([id, name]) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      {everything.problem && <ProblemNotice problem={everything.problem} />}
      {!known && alarms.length === 0 ? (
        <Empty tall>{texts.alarms.loading}</Empty>
      ) : shown.length === 0 ? (
        <Empty tall>{filter === "open" && assetId === "" ? texts.alarms.none : texts.alarms.noneFiltered}</Empty>
      ) : (
        <ul class="alarms">
          {shown.map((alarm) => (
            <li key={alarm.alarm_id}>
              <AlarmCard alarm={alarm} nowMs={nowMs} withMachine />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
