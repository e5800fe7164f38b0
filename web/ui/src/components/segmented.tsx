/** One choice of few, as adjoining buttons that are radio inputs underneath (arrow keys work). */
import { useId } from "preact/hooks";

export interface SegmentedProps<V extends string> {
  label: string;
  value: V;
  options: readonly (readonly [V, string])[];
  onChange: (value: V) => void;
  testId?: string;
}

export function Segmented<V extends string>({ label, value, options, onChange, testId }: SegmentedProps<V>) {
  const group = useId();
  return (
    <fieldset class="segmented" data-testid={testId}>
      <legend>{label}</legend>
      <div class="segments">
        {options.map(([key, text]) => (
          <label
            key={key}
            class={key === value ? "segment chosen" : "segment"}
            data-testid={testId === undefined ? undefined : `${testId}-${key}`}
          >
            <input type="radio" name={group} value={key} checked={key === value} onChange={() => onChange(key)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
