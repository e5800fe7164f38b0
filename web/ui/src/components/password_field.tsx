/** A password with a button that shows it: typing blind with gloves goes wrong. */
import { useState } from "preact/hooks";
import { texts } from "../texts";

export interface PasswordFieldProps {
  label: string;
  name: string;
  autocomplete: "current-password" | "new-password";
  value: string;
  testId: string;
  describedBy?: string;
  onInput: (value: string) => void;
}

export function PasswordField(props: PasswordFieldProps) {
  const { label, name, autocomplete, value, testId, describedBy, onInput } = props;
  const [shown, setShown] = useState(false);
  return (
    <div class="field password-field">
      <label>
        <span>{label}</span>
        <input
          // The types tie each kind of input to one type; this one changes its kind.
          type={(shown ? "text" : "password") as "password"}
          name={name}
          autocomplete={autocomplete}
          autocapitalize="none"
          spellcheck={false}
          required
          maxLength={256}
          value={value}
          data-testid={testId}
          aria-describedby={describedBy}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </label>
      <button
        type="button"
        class="show-password"
        aria-pressed={shown}
        aria-label={`${texts.login.show}: ${label}`}
        onClick={() => setShown(!shown)}
      >
        <svg width="24" height="24" viewBox="0 0 24 24" aria-hidden="true">
          <path d="M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12z" />
          <circle cx="12" cy="12" r="3" />
          {!shown && <path d="M4 3.5l16 17" />}
        </svg>
      </button>
    </div>
  );
}
