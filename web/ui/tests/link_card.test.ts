import { describe, expect, it } from "vitest";
import { linkTone } from "../src/components/link_card";

describe("a link's tone", () => {
  it("is good only for states that are known to be", () => {
    expect(linkTone({ state: "connected", reason: "" })).toBe("good");
    expect(linkTone({ state: "listening", reason: "" })).toBe("good");
    expect(linkTone({ state: "connecting", reason: "" })).toBe("doubt");
    expect(linkTone({ state: "lost", reason: "" })).toBe("bad");
    expect(linkTone({ state: "a state of next year", reason: "" })).toBe("bad");
  });

  it("wants a look at a server that waits for somebody", () => {
    expect(linkTone({ state: "listening", reason: "Nobody can sign in yet." })).toBe("doubt");
  });
});
