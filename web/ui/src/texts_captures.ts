/** Every English sentence of captured waveforms. */

export const captureTexts = {
  title: "Waveforms",
  why: "Raw samples from before and after an alarm became active, as the sensors delivered them.",
  loading: "Fetching the waveforms …",
  none: "None is stored: captures are switched off, had to be left out, or have left within their budget.",
  noneByHand: "None is stored yet. One is taken by itself when an alarm becomes active.",
  take: "Capture now",
  taking: "capturing …",
  began: (count: number) => (count === 1 ? "Captured; what comes after follows." : `${count} captured; what comes after follows.`),
  byHand: (actor: string) => `by hand, ${actor}`,
  span: (length: string, channels: number, size: string) => `${length}, ${channels} ${channels === 1 ? "channel" : "channels"}, ${size}`,
  growing: "what comes after the alarm is still to come",
  ended: (why: string) => `ended early: ${why}`,
  draw: "Picture",
  wav: "WAV",
  uff: "UFF 58",
  file: (format: string, id: string) => `Take ${id} away as ${format}`,
  pictureOf: (channel: string) => `Waveform of ${channel}; 0 s is when the alarm became active`,
  axis: "s from the alarm",
  channel: "Channel",
} as const;
