import { describe, expect, it } from "vitest";
import { Traffic } from "../src/components/traffic";
import { share } from "../src/format";
import { byTestId, facts, shown } from "./shown";

const seen = (raw_bytes: number, sent_bytes: number, stayed_ratio: number | null) =>
  shown(Traffic({ view: { raw_bytes, sent_bytes, stayed_ratio } }));

describe("what stayed on the appliance", () => {
  it("is told in a place of its own, with what came in and what went out", () => {
    const page = seen(12_400_000_000, 3_100_000, 1 - 3.1e6 / 12.4e9);
    expect(byTestId(page, "stayed")?.text).toBe("99.97\u00a0%");
    expect(facts(page)).toEqual({
      "Stayed on the appliance": "99.97\u00a0%",
      "In from the sensors": "12.4\u00a0GB",
      "Out to the centre": "3.10\u00a0MB",
    });
  });

  it("is a dash before anything came in, and not there without a centre", () => {
    expect(byTestId(seen(0, 512, null), "stayed")?.text).toBe("–");
    expect(Traffic({ view: null })).toBeNull();
    expect(Traffic({ view: undefined })).toBeNull();
  });

  it("never says all of it while a byte left", () => {
    expect(share(1 - 1e-12)).toBe("99.99\u00a0%");
    expect(share(1)).toBe("100.00\u00a0%");
    expect(share(0)).toBe("0.00\u00a0%");
    expect(share(Number.NaN)).toBe("–");
  });
});
