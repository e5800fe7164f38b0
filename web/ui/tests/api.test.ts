import { describe, expect, it } from "vitest";
import { Api, ApiError } from "../src/api";
import { routeOf } from "../src/router";

interface Asked {
  path: string;
  init: RequestInit;
}

/** An Api whose requests are answered by the given answers in turn. */
function answering(...answers: (() => Response)[]) {
  const asked: Asked[] = [];
  let ended = 0;
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const answer = answers[asked.length];
    asked.push({ path, init });
    if (answer === undefined) throw new TypeError("network");
    return answer();
  };
  return { api: new Api(send, () => ended++), asked, ended: () => ended };
}

const json = (body: unknown, status = 200) => () =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
const session = json({ user: "admin", must_change_password: false, csrf_token: "token-1" });
const refused = (status: number) => json({ title: "No", detail: "because", remedy: "do this" }, status);
const header = (asked: Asked | undefined, name: string) => new Headers(asked?.init.headers).get(name);

describe("requests", () => {
  it("carry the session's CSRF token when they change something, and only then", async () => {
    const { api, asked } = answering(session, json([]), json({}));
    await api.logIn("admin", "secret");
    await api.machines();
    await api.acknowledge("pump-2.x/y", 3, "seen");
    expect(header(asked[1], "X-CSRF-Token")).toBeNull();
    expect(header(asked[2], "X-CSRF-Token")).toBe("token-1");
    expect(asked[2]?.path).toBe("/api/alarms/pump-2.x%2Fy/acknowledge");
    expect(JSON.parse(String(asked[2]?.init.body))).toEqual({ activation: 3, comment: "seen" });
  });

  it("shelve the activation that is on the screen", async () => {
    const { api, asked } = answering(json({}));
    await api.shelve("pump-2.x", 3, 8, "spare comes");
    expect(asked[0]?.path).toBe("/api/alarms/pump-2.x/shelve");
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({ activation: 3, hours: 8, reason: "spare comes" });
  });

  it("send refused records again: some by their ids, or all of a destination", async () => {
    const { api, asked } = answering(json({}), json({}), json({}));
    await api.deadLetters("webhook cmms", 20);
    await api.redrive("webhook cmms", ["msg_1"]);
    await api.redrive("central", null);
    expect(asked[0]?.path).toBe("/api/dead-letters?destination=webhook+cmms&limit=20");
    expect(asked[1]?.path).toBe("/api/dead-letters/redrive");
    expect(JSON.parse(String(asked[1]?.init.body))).toEqual({ destination: "webhook cmms", letter_ids: ["msg_1"] });
    expect(JSON.parse(String(asked[2]?.init.body))).toEqual({ destination: "central", letter_ids: null });
  });

  it("ask for a trend by whole milliseconds, and leave out an open end", async () => {
    const { api, asked } = answering(json({}), json({}));
    await api.trend("a", "rms_mps2", 10.7, 20.2, 100);
    await api.trend("a", "rms_mps2", null, null, 100);
    expect(asked[0]?.path).toContain("start_ms=10&end_ms=21");
    expect(asked[1]?.path).not.toContain("_ms=");
  });
});

describe("answers", () => {
  it("say what was wrong and what helps", async () => {
    const { api } = answering(refused(409));
    const error: unknown = await api.acknowledge("a", 1, "").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).status).toBe(409);
    expect((error as ApiError).problem.remedy).toBe("do this");
  });

  it("of 401 end the session, but not those of a login or of a wrong present password", async () => {
    const { api, ended } = answering(refused(401), refused(401), refused(401), refused(401));
    await api.logIn("admin", "wrong").catch(() => undefined);
    await api.session().catch(() => undefined);
    await api.changePassword("wrong", "right").catch(() => undefined);
    expect(ended()).toBe(0);
    await api.machines().catch(() => undefined);
    expect(ended()).toBe(1);
  });

  it("that never come are told as such", async () => {
    const { api } = answering();
    const error: unknown = await api.machines().catch((e: unknown) => e);
    expect((error as ApiError).status).toBe(0);
  });

  it("that are no JSON at all are told by their status", async () => {
    const { api } = answering(() => new Response("<html>", { status: 502 }));
    const error: unknown = await api.machines().catch((e: unknown) => e);
    expect((error as ApiError).problem.title).toContain("502");
  });

  it("of 404 mean that there is no spectrum yet", async () => {
    const { api } = answering(refused(404), refused(503));
    expect(await api.spectrum("a", "envelope")).toBeNull();
    await expect(api.spectrum("a", "envelope")).rejects.toBeInstanceOf(ApiError);
  });
});

it("routes by what stands after the #", () => {
  expect(routeOf("")).toEqual({ page: "machines" });
  expect(routeOf("#/machines/pump%202")).toEqual({ page: "machine", assetId: "pump 2" });
  expect(routeOf("#/machines/%E0%A4%A")).toEqual({ page: "machine", assetId: "%E0%A4%A" });
  expect(routeOf("#/alarms")).toEqual({ page: "alarms" });
  expect(routeOf("#/nowhere")).toEqual({ page: "machines" });
});
