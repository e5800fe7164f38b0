/** Names for the generated types of the HTTP interface. */
import type { components } from "./api.gen";

type Schemas = components["schemas"];

export type ActView = Schemas["ActView"];
export type AlarmView = Schemas["AlarmView"];
export type AlarmTransitionView = Schemas["AlarmTransitionView"];
export type ApplianceView = Schemas["ApplianceView"];
export type ApplianceHealthView = Schemas["ApplianceHealthView"];
export type BacklogView = Schemas["BacklogView"];
export type CameraView = Schemas["CameraView"];
export type CapturesBegun = Schemas["CapturesBegun"];
export type CaptureView = Schemas["CaptureView"];
export type ChannelView = Schemas["ChannelView"];
export type ClassWearView = Schemas["ClassWearView"];
export type CounterView = Schemas["CounterView"];
export type DeadLetterPage = Schemas["DeadLetterPage"];
export type DeadLetterView = Schemas["DeadLetterView"];
export type DiagnosisView = Schemas["DiagnosisView"];
export type FaultMarker = Schemas["FaultMarker"];
export type GapView = Schemas["GapView"];
export type LatencyTrendView = Schemas["LatencyTrendView"];
export type LearningView = Schemas["LearningView"];
export type LimitChange = Schemas["LimitChange"];
export type LimitsView = Schemas["LimitsView"];
export type LimitVersionView = Schemas["LimitVersionView"];
export type LimitView = Schemas["LimitView"];
export type LinkView = Schemas["LinkView"];
export type MachineDetail = Schemas["MachineDetail"];
export type MachineSummary = Schemas["MachineSummary"];
export type PartView = Schemas["PartView"];
export type PartErrorsView = Schemas["PartErrorsView"];
export type Problem = Schemas["Problem"];
export type QueueView = Schemas["QueueView"];
export type ReconciliationReportView = Schemas["ReconciliationReportView"];
export type ReconciliationView = Schemas["ReconciliationView"];
export type RedriveView = Schemas["RedriveView"];
export type ScoreHealthView = Schemas["ScoreHealthView"];
export type SessionView = Schemas["SessionView"];
export type SpectrumView = Schemas["SpectrumView"];
export type StageHealthView = Schemas["StageHealthView"];
export type TrendLimit = Schemas["TrendLimit"];
export type TrendView = Schemas["TrendView"];
export type WaveformView = Schemas["WaveformView"];

export type Severity = MachineSummary["severity"];
export type AlarmState = AlarmView["state"];
export type SpectrumKind = "amplitude" | "envelope";
