/** Every English sentence of cameras over parts. */

export const cameraTexts = {
  title: "Cameras",
  noPart: "no part yet",
  results: { good: "good", defect: "defect", "no verdict": "no verdict" },
  part: (n: number) => `part ${n}`,
  ofLimit: "of the limit",
  unsure: "unsure",
  inspected: "Inspected",
  defective: "Defective",
  noVerdict: "No verdict",
  share: "Share of defects",
  kinds: "Kinds",
  lastDefect: "Last defect",
  pictureOf: (camera: string) => `Picture of the last defective part at ${camera}`,
} as const;
