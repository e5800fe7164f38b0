/** What went wrong with a request, and what helps. */
import type { ComponentChildren } from "preact";
import { ApiError } from "../api";
import type { Problem } from "../schema";

export function problemFrom(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  return { title: String(error), detail: "", remedy: "" };
}

export function ProblemNotice({ problem }: { problem: Problem }) {
  return (
    <div class="notice notice-bad" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail !== "" && problem.detail !== problem.title && <p>{problem.detail}</p>}
      {problem.remedy !== "" && <p>{problem.remedy}</p>}
    </div>
  );
}

/** A place kept for what is still being fetched, or the statement that there is nothing. */
export function Empty({ children, tall = false }: { children: ComponentChildren; tall?: boolean }) {
  return <p class={tall ? "empty empty-tall" : "empty"}>{children}</p>;
}
