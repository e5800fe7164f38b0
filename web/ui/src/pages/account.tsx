/** The own account: change the password (forced at first boot, with its rules in view), log out. */
import { useState } from "preact/hooks";
import { PasswordField } from "../components/password_field";
import { ProblemNotice, problemFrom } from "../components/notice";
import type { Problem } from "../schema";
import { changePassword, logOut, state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

const LEAST_LENGTH = 12;

export function AccountPage({ first = false }: { first?: boolean }) {
  const user = useStore(state, (s) => s.session?.user ?? "");
  const [oldPassword, setOldPassword] = useState("");
  const [newPassword, setNewPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  const rules: [string, boolean][] = [
    [texts.password.ruleLength, [...newPassword].length >= LEAST_LENGTH],
    [texts.password.ruleDifferent, newPassword !== "" && newPassword !== oldPassword],
    [texts.password.ruleNotName, newPassword !== "" && newPassword.toLowerCase() !== user.toLowerCase()],
  ];
  const kept = rules.every(([, fulfilled]) => fulfilled);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    setDone(false);
    try {
      await changePassword(oldPassword, newPassword);
      setOldPassword("");
      setNewPassword("");
      setDone(true);
    } catch (error) {
      setProblem(problemFrom(error));
    }
    setBusy(false);
  };
  return (
    <div class={first ? "" : "page narrow"}>
      {!first && <h1 tabIndex={-1}>{texts.nav.account}</h1>}
      <form class="card door-form" onSubmit={submit}>
        {first ? (
          <>
            <h1>{texts.password.titleFirst}</h1>
            <p>{texts.password.why}</p>
          </>
        ) : (
          <h2>{texts.password.title}</h2>
        )}
        <input type="text" name="username" autocomplete="username" value={user} hidden readOnly />
        <PasswordField
          label={texts.password.oldPassword}
          name="old-password"
          autocomplete="current-password"
          value={oldPassword}
          testId="old-password"
          onInput={setOldPassword}
        />
        <PasswordField
          label={texts.password.newPassword}
          name="new-password"
          autocomplete="new-password"
          value={newPassword}
          testId="new-password"
          describedBy="password-rules"
          onInput={setNewPassword}
        />
        <ul class="rules" id="password-rules">
          {rules.map(([rule, fulfilled]) => (
            <li key={rule} class={fulfilled ? "rule-kept" : ""}>
              <span aria-hidden="true">{fulfilled ? "✓" : "○"}</span> {rule}
              {fulfilled && <span class="visually-hidden"> ✓</span>}
            </li>
          ))}
        </ul>
        <p class="hint">{texts.password.advice}</p>
        {problem && <ProblemNotice problem={problem} />}
        {done && (
          <p class="notice notice-good" role="status">
            {texts.password.changed}
          </p>
        )}
        <button type="submit" class="button primary wide" disabled={busy || !kept} data-testid="change-submit">
          {texts.password.submit}
        </button>
      </form>
      <div class={first ? "door-form" : "card door-form"}>
        <p>{texts.password.loggedInAs(user)}</p>
        <button type="button" class="button wide" data-testid="log-out" onClick={() => void logOut().catch(() => undefined)}>
          {texts.password.logOut}
        </button>
      </div>
    </div>
  );
}
