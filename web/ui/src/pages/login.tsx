/** Who is there? Says what is wrong when it is, and where the first password is found. */
import { useState } from "preact/hooks";
import { PasswordField } from "../components/password_field";
import { ProblemNotice, problemFrom } from "../components/notice";
import type { Problem } from "../schema";
import { logIn, state } from "../session";
import { useStore } from "../store";
import { texts } from "../texts";

export function LoginPage() {
  const ended = useStore(state, (s) => s.sessionEnded);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await logIn(user.trim(), password);
    } catch (error) {
      setProblem(problemFrom(error));
      setBusy(false);
    }
  };
  return (
    <main class="door">
      <p class="brand brand-large">{texts.product}</p>
      <form class="card door-form" onSubmit={submit}>
        <h1>{texts.login.title}</h1>
        {ended && (
          <p class="notice" role="status">
            {texts.login.ended}
          </p>
        )}
        <label class="field">
          <span>{texts.login.user}</span>
          <input
            type="text"
            name="username"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            maxLength={64}
            value={user}
            data-testid="login-user"
            onInput={(event) => setUser(event.currentTarget.value)}
          />
        </label>
        <PasswordField
          label={texts.login.password}
          name="password"
          autocomplete="current-password"
          value={password}
          testId="login-password"
          onInput={setPassword}
        />
        {problem && <ProblemNotice problem={problem} />}
        <button type="submit" class="button primary wide" disabled={busy} data-testid="login-submit">
          {busy ? texts.login.working : texts.login.submit}
        </button>
        <p class="hint">{texts.login.firstBoot}</p>
      </form>
    </main>
  );
}
