// Generated. Do not edit; in the repository's root run
//   .venv/bin/python -m web.openapi build/openapi.json && (cd web/ui && npm run types)

export interface paths {
    "/api/alarms": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Alarms
         * @description The alarms that are not closed, newest change first; with `include_closed` those too.
         */
        get: operations["list_alarms"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/alarms/{alarm_id}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Acknowledge Alarm
         * @description Acknowledges the activation that was seen; answers once that is durable.
         */
        post: operations["acknowledge_alarm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/alarms/{alarm_id}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Alarm History
         * @description Every transition of one alarm, as journalled.
         */
        get: operations["get_alarm_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/alarms/{alarm_id}/shelve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Shelve Alarm
         * @description Shelves the activation that was seen for some hours (0: not any more); answers once durable.
         */
        post: operations["shelve_alarm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/appliance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Appliance
         * @description How the appliance is.
         */
        get: operations["get_appliance"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/appliance/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Appliance Health
         * @description How the appliance itself is: stages, scores, errors, load, temperatures, disk, flash, clock, links.
         */
        get: operations["get_appliance_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cameras": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Cameras
         * @description Every camera with its last verdict, its counts and its last defect.
         */
        get: operations["list_cameras"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/cameras/pictures/{capture_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Part Picture
         * @description The picture of a part that was kept.
         */
        get: operations["get_part_picture"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/captures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Captures
         * @description Captured waveforms, the latest first; of one alarm or one machine where it is named.
         */
        get: operations["list_captures"];
        put?: never;
        /**
         * Begin Capture
         * @description Captures the waveforms of a machine around now; what comes after follows within seconds.
         */
        post: operations["begin_capture"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/captures/{capture_id}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Capture File
         * @description The samples of a capture as WAV (nominal rate, no gaps) or as UFF 58 (true rate, gaps).
         */
        get: operations["get_capture_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/captures/{capture_id}/waveform": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Waveform
         * @description A picture of a capture: the least and the greatest sample of each stretch of time.
         */
        get: operations["get_waveform"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/channels/{channel_id}/spectrum": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Spectrum
         * @description The latest spectrum of that kind; 404 while there is none.
         */
        get: operations["get_spectrum"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/channels/{channel_id}/trend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Trend
         * @description One feature between two times (UTC ms; open ends: all there is, until now); gaps are nulls.
         */
        get: operations["get_trend"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/dead-letters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Dead Letters
         * @description Records and messages that their receiver refused for good, the latest refusal first.
         */
        get: operations["list_dead_letters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/dead-letters/redrive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Redrive Dead Letters
         * @description Lets dead letters be sent again; the log says who asked. Asking twice changes nothing.
         */
        post: operations["redrive_dead_letters"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Health
         * @description For a watchdog, without a login: it answers, and whether what it is told will be kept.
         */
        get: operations["get_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follow Live
         * @description Alarm transitions after a journal sequence, none missed, and latest states about once a second.
         *
         *     `Last-Event-ID`, which a browser sends by itself when it reconnects, counts before `after`.
         */
        get: operations["follow_live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/machines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Machines
         * @description One line per machine.
         */
        get: operations["list_machines"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/machines/{asset_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Machine
         * @description One machine: its channels, diagnosis and fault frequencies.
         */
        get: operations["get_machine"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/machines/{asset_id}/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List Limits
         * @description The limit of every channel in every operating state, and how much is learned.
         */
        get: operations["list_limits"];
        put?: never;
        /**
         * Change Limits
         * @description Locks, unlocks, raises, undoes, restores or has learned anew; answers once it is durable and holds.
         */
        post: operations["change_limits"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/machines/{asset_id}/limits/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Limit History
         * @description Versions of all limits of the machine, the latest first: who, when, why, from how much running.
         */
        get: operations["get_limit_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Session
         * @description Who is signed in here, and the CSRF token that changes need.
         */
        get: operations["get_session"];
        put?: never;
        /**
         * Sign In
         * @description Signs in: answers the session and sets its cookie.
         */
        post: operations["sign_in"];
        /**
         * Sign Out
         * @description Ends this session and its live streams.
         */
        delete: operations["sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Change Password
         * @description Changes the password. All of the user's sessions end; the answer carries a new one.
         */
        post: operations["change_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** AcknowledgeRequest */
        AcknowledgeRequest: {
            /** Activation */
            activation: number;
            /**
             * Comment
             * @default
             */
            comment: string;
        };
        /**
         * ActView
         * @description What a person did to the present activation of an alarm.
         */
        ActView: {
            /** Actor */
            actor: string;
            /**
             * Origin
             * @enum {string}
             */
            origin: "box" | "centre";
            /** Reason */
            reason: string;
            /** Time Ms */
            time_ms: number;
        };
        /** AlarmTransitionView */
        AlarmTransitionView: {
            /** Actor */
            actor: string;
            alarm: components["schemas"]["AlarmView"];
            /**
             * Origin
             * @enum {string}
             */
            origin: "box" | "centre";
            /** Reason */
            reason: string;
            /** Sequence */
            sequence: number;
            /** Time Ms */
            time_ms: number;
            /** What */
            what: string;
        };
        /** AlarmView */
        AlarmView: {
            /** Acknowledged By */
            acknowledged_by: string | null;
            /** Acknowledged Ms */
            acknowledged_ms: number | null;
            /** Acknowledgements */
            acknowledgements: components["schemas"]["ActView"][];
            /** Activation */
            activation: number;
            /** Alarm Id */
            alarm_id: string;
            /** Asset Id */
            asset_id: string;
            /** Asset Name */
            asset_name: string;
            /** Changed Ms */
            changed_ms: number;
            /** Channel Id */
            channel_id: string | null;
            /** Comment */
            comment: string;
            /** Confidence */
            confidence: number | null;
            /** Conflicts */
            conflicts: string[];
            /** Durable */
            durable: boolean;
            /** Evidence */
            evidence: {
                [key: string]: number | string | boolean | null;
            };
            /** Fault */
            fault: string | null;
            /** Raised Ms */
            raised_ms: number;
            /** Rule */
            rule: string;
            /**
             * Severity
             * @enum {string}
             */
            severity: "not rated" | "good" | "watch" | "warn" | "stop";
            shelved: components["schemas"]["ActView"] | null;
            /** Shelved Until Ms */
            shelved_until_ms: number | null;
            /**
             * State
             * @enum {string}
             */
            state: "active, unacknowledged" | "active, acknowledged" | "cleared, unacknowledged" | "normal";
            /** Text */
            text: string;
            /** Time Trusted */
            time_trusted: boolean;
        };
        /**
         * ApplianceHealthView
         * @description How the appliance itself is; at most a second old.
         */
        ApplianceHealthView: {
            clock: components["schemas"]["ClockHealthView"];
            disk: components["schemas"]["DiskHealthView"];
            /** Links */
            links: components["schemas"]["LinkHealthView"][];
            load: components["schemas"]["LoadView"];
            /** Parts */
            parts: components["schemas"]["PartErrorsView"][];
            /** Period S */
            period_s: number;
            /** Scores */
            scores: components["schemas"]["ScoreHealthView"][];
            /** Stages */
            stages: components["schemas"]["StageHealthView"][];
            /** Temperatures */
            temperatures: components["schemas"]["TemperatureView"][];
            /** Time Ms */
            time_ms: number;
            /** Trends */
            trends: components["schemas"]["LatencyTrendView"][];
            /** Uptime S */
            uptime_s: number;
            wear: components["schemas"]["WearView"];
        };
        /** ApplianceView */
        ApplianceView: {
            /** Backlog */
            backlog: components["schemas"]["BacklogView"][];
            /** Boot Id */
            boot_id: string;
            /** Central */
            central: string;
            clock: components["schemas"]["ClockView"];
            /** Counters */
            counters: components["schemas"]["CounterView"][];
            /** Cpu Percent */
            cpu_percent: number;
            /** Dead Letters */
            dead_letters: components["schemas"]["DeadLetterTallyView"][];
            disk: components["schemas"]["DiskView"];
            /** Journal Durable */
            journal_durable: boolean;
            /** Links */
            links: components["schemas"]["LinkView"][];
            /** Name */
            name: string;
            /** Queues */
            queues: components["schemas"]["QueueView"][];
            reconciliation?: components["schemas"]["ReconciliationView"] | null;
            /** Rss Bytes */
            rss_bytes: number;
            traffic?: components["schemas"]["TrafficView"] | null;
            /** Uptime S */
            uptime_s: number;
            /** Version */
            version: string;
        };
        /** BacklogView */
        BacklogView: {
            /** Budget Bytes */
            budget_bytes: number;
            /** Days Left */
            days_left: number | null;
            /** Dropped */
            dropped: number;
            /** Oldest Age S */
            oldest_age_s: number | null;
            /** Record Class */
            record_class: string;
            /** Records */
            records: number;
            /** Stored Bytes */
            stored_bytes: number;
            /** Written Bytes Per Day */
            written_bytes_per_day: number;
        };
        /**
         * CameraView
         * @description One camera. Counts are those that are on stable storage.
         */
        CameraView: {
            /** Camera Id */
            camera_id: string;
            /** Defects */
            defects: components["schemas"]["DefectCount"][];
            last: components["schemas"]["PartView"] | null;
            /** Last Defect */
            last_defect: string | null;
            /** Learning */
            learning: string;
            /** Name */
            name: string;
            /** Parts Defective */
            parts_defective: number;
            /** Parts Inspected */
            parts_inspected: number;
            /** Parts No Verdict */
            parts_no_verdict: number;
        };
        /**
         * CaptureRequest
         * @description A person wants a capture of a machine, around now.
         */
        CaptureRequest: {
            /** Asset Id */
            asset_id: string;
            /**
             * Comment
             * @default
             */
            comment: string;
        };
        /**
         * CaptureTriggerView
         * @description Why a waveform was captured: an alarm that became active, or a person.
         */
        CaptureTriggerView: {
            /** Activation */
            activation: number | null;
            /** Actor */
            actor: string;
            /** Alarm Id */
            alarm_id: string | null;
            /** Offset S */
            offset_s: number;
            /** Text */
            text: string;
        };
        /**
         * CaptureView
         * @description One captured waveform of one sensor of a machine.
         */
        CaptureView: {
            /** Asset Id */
            asset_id: string;
            /** Capture Id */
            capture_id: string;
            /** Channels */
            channels: string[];
            /** Complete */
            complete: boolean;
            /** Duration S */
            duration_s: number;
            /** Ended */
            ended: string;
            /** Sample Rate Hz */
            sample_rate_hz: number;
            /** Sensor Id */
            sensor_id: string;
            /** Size Bytes */
            size_bytes: number;
            /** Start Ms */
            start_ms: number;
            /** Time Trusted */
            time_trusted: boolean;
            /** Trigger Ms */
            trigger_ms: number;
            /** Triggers */
            triggers: components["schemas"]["CaptureTriggerView"][];
            /** Unit */
            unit: string;
        };
        /**
         * CapturesBegun
         * @description What is captured now, one id per sensor of the machine.
         */
        CapturesBegun: {
            /** Capture Ids */
            capture_ids: string[];
        };
        /** ChannelView */
        ChannelView: {
            /** Channel Id */
            channel_id: string;
            /** Features */
            features: string[];
            /** Latest */
            latest: {
                [key: string]: number | null;
            };
            /** Measurand */
            measurand: string;
            /** Name */
            name: string;
            /**
             * Quality
             * @enum {string}
             */
            quality: "good" | "uncertain" | "bad";
            /** Sample Rate Hz */
            sample_rate_hz: number;
            /** Sensor Verdict */
            sensor_verdict: string | null;
            /** Unit */
            unit: string;
        };
        /** ClassWearView */
        ClassWearView: {
            /** Record Class */
            record_class: string;
            /** Written Bytes */
            written_bytes: number;
            /** Written Bytes Per Day */
            written_bytes_per_day: number;
        };
        /** ClockHealthView */
        ClockHealthView: {
            /** Last Step S */
            last_step_s: number | null;
            /** Source */
            source: string;
            /** Steps */
            steps: number;
            /** Text */
            text: string;
            /** Trusted */
            trusted: boolean;
            /** Untrusted S */
            untrusted_s: number;
        };
        /** ClockView */
        ClockView: {
            /** Now Ms */
            now_ms: number;
            /** Source */
            source: string;
            /** Text */
            text: string;
            /** Trusted */
            trusted: boolean;
        };
        /** CounterView */
        CounterView: {
            /** Counter */
            counter: string;
            /** Subject */
            subject: string;
            /** Unit */
            unit: string;
            /** Value */
            value: number;
        };
        /**
         * DeadLetterPage
         * @description Dead letters, the latest refusal first; `total` of the destinations that were asked for.
         */
        DeadLetterPage: {
            /** Letters */
            letters: components["schemas"]["DeadLetterView"][];
            /** Total */
            total: number;
        };
        /**
         * DeadLetterTallyView
         * @description What one destination refused for good.
         */
        DeadLetterTallyView: {
            /** Destination */
            destination: string;
            /** Dropped */
            dropped: number;
            /** Refused */
            refused: number;
        };
        /**
         * DeadLetterView
         * @description One record or message that its receiver refused for good.
         */
        DeadLetterView: {
            /** Destination */
            destination: string;
            /** Kind */
            kind: string;
            /** Letter Id */
            letter_id: string;
            /** Reason */
            reason: string;
            /** Record Id */
            record_id: string;
            /** Refused Ms */
            refused_ms: number | null;
        };
        /**
         * DefectCount
         * @description Defects of one kind.
         */
        DefectCount: {
            /** Count */
            count: number;
            /** Kind */
            kind: string;
        };
        /** DiagnosisView */
        DiagnosisView: {
            /** Channel Id */
            channel_id: string;
            /** Confidence */
            confidence: number;
            /** Fault */
            fault: string | null;
            /** Ranking */
            ranking: [
                string,
                number
            ][];
            /** Text */
            text: string;
            /**
             * Verdict
             * @enum {string}
             */
            verdict: "healthy" | "fault" | "abstain";
        };
        /**
         * DiskHealthView
         * @description The file system of the journal.
         */
        DiskHealthView: {
            /** Free Bytes */
            free_bytes: number;
            /** Journal Bytes */
            journal_bytes: number;
            /** Path */
            path: string;
            /** Total Bytes */
            total_bytes: number;
            /** Used Percent */
            used_percent: number;
        };
        /** DiskView */
        DiskView: {
            /** Free Bytes */
            free_bytes: number;
            /** Journal Bytes */
            journal_bytes: number;
            /** Path */
            path: string;
            /** Reserve Bytes */
            reserve_bytes: number;
            /** Total Bytes */
            total_bytes: number;
        };
        /**
         * FaultMarker
         * @description A fault frequency drawn into the envelope spectrum.
         */
        FaultMarker: {
            /** Fault */
            fault: string;
            /** Frequency Hz */
            frequency_hz: number;
            /** Harmonics */
            harmonics: number;
            /** Label */
            label: string;
            /** Level Db */
            level_db: number | null;
            /** Over Baseline Db */
            over_baseline_db: number | null;
        };
        /**
         * GapView
         * @description An interval that should have data and had none, why, and what became of it.
         */
        GapView: {
            /** Cause */
            cause: string;
            /** End Ms */
            end_ms: number;
            /** Samples Missing */
            samples_missing: number | null;
            /** Start Ms */
            start_ms: number;
            /**
             * State
             * @enum {string}
             */
            state: "open" | "backfilled" | "lost";
        };
        /**
         * HealthView
         * @description For a watchdog that has no login: it answers, and whether it can keep what it is told.
         */
        HealthView: {
            /**
             * Status
             * @enum {string}
             */
            status: "ok" | "degraded";
        };
        /**
         * LatencyTrendView
         * @description A stage's latency beside its own week; `factor` null: not judged yet, `text` says why.
         */
        LatencyTrendView: {
            /** Doubled */
            doubled: boolean;
            /** Factor */
            factor: number | null;
            /** Instance */
            instance: string;
            /** Now P50 S */
            now_p50_s: number | null;
            /** Stage */
            stage: string;
            /** Text */
            text: string;
            /** Week P50 S */
            week_p50_s: number | null;
        };
        /**
         * LearningView
         * @description How much of a machine's baseline is learned.
         */
        LearningView: {
            /** Complete */
            complete: boolean;
            /** Learned H */
            learned_h: number;
            /** Needed H */
            needed_h: number;
            /** Paused */
            paused: boolean;
            /** Percent */
            percent: number;
            /** Provisional */
            provisional: boolean;
            /** States Learned */
            states_learned: number;
            /** States Seen */
            states_seen: number;
            /** Text */
            text: string;
        };
        /**
         * LimitChange
         * @description What a person wants of one limit; of all of the machine where channel and state are null.
         *
         *     Both must be given: who forgets them does not mean all.
         */
        LimitChange: {
            /**
             * Action
             * @enum {string}
             */
            action: "lock" | "unlock" | "raise" | "learn anew" | "undo" | "restore" | "new first baseline";
            /** Channel Id */
            channel_id: string | null;
            /** Operating State */
            operating_state: string | null;
            /** Percent */
            percent?: number | null;
            /** Reason */
            reason: string;
            /** Seen Revision */
            seen_revision: number;
            /** Version */
            version?: number | null;
        };
        /**
         * LimitMark
         * @description A time at which a limit was changed: scores before and after count in different units.
         */
        LimitMark: {
            /** Operating State */
            operating_state: string;
            /** Text */
            text: string;
            /** Time Ms */
            time_ms: number;
        };
        /**
         * LimitVersionView
         * @description One version of one limit, as journalled.
         */
        LimitVersionView: {
            /** Action */
            action: string;
            /** Actor */
            actor: string;
            /** Baseline */
            baseline: string;
            /** Channel Id */
            channel_id: string;
            /** Channel Name */
            channel_name: string;
            /** Learned */
            learned: boolean;
            /** Locked */
            locked: boolean;
            /** Newest */
            newest: boolean;
            /** Of Version */
            of_version: number | null;
            /** Operating State */
            operating_state: string;
            /** Percent */
            percent: number;
            /** Provisional */
            provisional: boolean;
            /** Reason */
            reason: string;
            /** Rests On H */
            rests_on_h: number;
            /** Sequence */
            sequence: number;
            /** Time Ms */
            time_ms: number;
            /** Time Trusted */
            time_trusted: boolean;
            /** Version */
            version: number;
        };
        /**
         * LimitView
         * @description The learned limit of one channel in one operating state, as it stands.
         */
        LimitView: {
            /** Action */
            action: string;
            /** Actor */
            actor: string;
            /** Changed Ms */
            changed_ms: number | null;
            /** Channel Id */
            channel_id: string;
            /** Channel Name */
            channel_name: string;
            /** Durable */
            durable: boolean;
            /** In Service */
            in_service: boolean;
            /**
             * Kind
             * @enum {string}
             */
            kind: "limit" | "process" | "drift";
            /** Learned H */
            learned_h: number;
            /** Locked */
            locked: boolean;
            /** Needed H */
            needed_h: number;
            /** Operating State */
            operating_state: string;
            /** Percent */
            percent: number;
            /** Pinned */
            pinned: boolean;
            /** Present */
            present: boolean;
            /** Provisional */
            provisional: boolean;
            /** Reason */
            reason: string;
            /** Rests On H */
            rests_on_h: number;
            /** Text */
            text: string;
            /** Version */
            version: number;
            /** Windows */
            windows: number;
        };
        /**
         * LimitsView
         * @description All limits of a machine. A change names the `revision` that was seen.
         */
        LimitsView: {
            /** Asset Id */
            asset_id: string;
            /** First Baselines */
            first_baselines: components["schemas"]["LimitView"][];
            /** Largest Percent */
            largest_percent: number;
            learning: components["schemas"]["LearningView"];
            /** Limits */
            limits: components["schemas"]["LimitView"][];
            /** Revision */
            revision: number;
        };
        /** LinkHealthView */
        LinkHealthView: {
            /** Connected */
            connected: boolean;
            /** Kind */
            kind: string;
            /** Name */
            name: string;
            /** Reason */
            reason: string;
            /** Silent S */
            silent_s: number | null;
            /** State */
            state: string;
        };
        /** LinkView */
        LinkView: {
            /** Address */
            address: string;
            /** Counts */
            counts: {
                [key: string]: number;
            };
            /** Figures */
            figures: {
                [key: string]: number;
            };
            /** Kind */
            kind: string;
            /** Reason */
            reason: string;
            /** Remedy */
            remedy: string;
            /** Source Id */
            source_id: string;
            /** State */
            state: string;
        };
        /** LoadView */
        LoadView: {
            /** Load 1Min */
            load_1min: number;
            /** Memory Available Bytes */
            memory_available_bytes: number;
            /** Memory Total Bytes */
            memory_total_bytes: number;
            /** N Cpus */
            n_cpus: number;
            /** Process Cpu Percent */
            process_cpu_percent: number;
            /** Rss Bytes */
            rss_bytes: number;
            /** System Cpu Percent */
            system_cpu_percent: number;
        };
        /** LoginRequest */
        LoginRequest: {
            /** Password */
            password: string;
            /** User */
            user: string;
        };
        /** MachineDetail */
        MachineDetail: {
            /** Bearing */
            bearing: string | null;
            /** Channels */
            channels: components["schemas"]["ChannelView"][];
            diagnosis: components["schemas"]["DiagnosisView"] | null;
            /** Markers */
            markers: components["schemas"]["FaultMarker"][];
            summary: components["schemas"]["MachineSummary"];
        };
        /**
         * MachineSummary
         * @description One line of the machine list.
         */
        MachineSummary: {
            /** Active Alarms */
            active_alarms: number;
            /** Asset Id */
            asset_id: string;
            /** Headline */
            headline: string;
            learning: components["schemas"]["LearningView"];
            /** Load */
            load: number | null;
            /** Name */
            name: string;
            /** Operating State */
            operating_state: string;
            /** Score */
            score: number | null;
            /** Scored By */
            scored_by?: string | null;
            /**
             * Severity
             * @enum {string}
             */
            severity: "not rated" | "good" | "watch" | "warn" | "stop";
            /** Shaft Hz */
            shaft_hz: number | null;
            /** Unacknowledged Alarms */
            unacknowledged_alarms: number;
            /** Updated Ms */
            updated_ms: number | null;
            /** Velocity Rms Mm S */
            velocity_rms_mm_s: number | null;
        };
        /**
         * PartErrorsView
         * @description A part that wrote errors into the log, or had to be started again, since the start.
         */
        PartErrorsView: {
            /** Errors */
            errors: number;
            /** Part */
            part: string;
            /** Restarts */
            restarts: number;
        };
        /**
         * PartView
         * @description The verdict on one part.
         */
        PartView: {
            /** Kind */
            kind: string | null;
            /** Latency Ms */
            latency_ms: number;
            /** Number */
            number: number;
            /** Position Px */
            position_px: [
                number,
                number
            ] | null;
            /** Reason */
            reason: string;
            /**
             * Result
             * @enum {string}
             */
            result: "good" | "defect" | "no verdict";
            /** Score */
            score: number | null;
            /** Time Ms */
            time_ms: number;
            /** Unsure */
            unsure: boolean;
        };
        /** PasswordChange */
        PasswordChange: {
            /** New Password */
            new_password: string;
            /** Old Password */
            old_password: string;
        };
        /**
         * Problem
         * @description Every error: what was wrong, and what would be right.
         */
        Problem: {
            /** Detail */
            detail: string;
            /**
             * Remedy
             * @default
             */
            remedy: string;
            /** Title */
            title: string;
        };
        /** QueueView */
        QueueView: {
            /** Capacity */
            capacity: number;
            /** Depth */
            depth: number;
            /** Dropped */
            dropped: number;
            /** Name */
            name: string;
        };
        /**
         * ReconciliationFigureView
         * @description One figure of a report that is not 0.
         */
        ReconciliationFigureView: {
            /** Meaning */
            meaning: string;
            /** Name */
            name: string;
            /** Value */
            value: number;
        };
        /**
         * ReconciliationLineView
         * @description One thing that a report tells.
         */
        ReconciliationLineView: {
            /** New */
            new: string;
            /** Old */
            old: string;
            /** Part */
            part: string;
            /** Subject */
            subject: string;
            /** Text */
            text: string;
        };
        /**
         * ReconciliationReportView
         * @description What was compared with the centre, and what was repaired.
         */
        ReconciliationReportView: {
            /** Agrees */
            agrees: boolean;
            /** Cause */
            cause: string;
            /** Ended Ms */
            ended_ms: number;
            /** Figures */
            figures: components["schemas"]["ReconciliationFigureView"][];
            /** Lines */
            lines: components["schemas"]["ReconciliationLineView"][];
            /** Lines Left Out */
            lines_left_out: number;
            /** Outage From Ms */
            outage_from_ms: number | null;
            /** Report Id */
            report_id: string;
            /** Text */
            text: string;
        };
        /**
         * ReconciliationView
         * @description Whether the centre has what was sent: points by what is known of them, and the newest report.
         */
        ReconciliationView: {
            /** Confirmed */
            confirmed: number;
            /** Cut Or Gone */
            cut_or_gone: number;
            /** Differing */
            differing: number;
            /** Ended Ms */
            ended_ms: number | null;
            /** Error */
            error: string;
            report: components["schemas"]["ReconciliationReportView"] | null;
            /** Running */
            running: boolean;
            /** Sent */
            sent: number;
        };
        /**
         * RedriveRequest
         * @description Which dead letters of a destination are to be sent again; null: all of them.
         */
        RedriveRequest: {
            /** Destination */
            destination: string;
            /** Letter Ids */
            letter_ids: string[] | null;
        };
        /**
         * RedriveView
         * @description How many dead letters wait to be sent again because of this request.
         */
        RedriveView: {
            /** Destination */
            destination: string;
            /** Sent Again */
            sent_again: number;
        };
        /**
         * ScoreHealthView
         * @description Anomaly scores of one machine over the last period (1.0 = limit).
         */
        ScoreHealthView: {
            /** Asset Id */
            asset_id: string;
            /** Bounds */
            bounds: number[];
            /** Counts */
            counts: number[];
            /** N */
            n: number;
            /** Over Limit */
            over_limit: number;
            /** P50 */
            p50: number | null;
            /** P90 */
            p90: number | null;
            /** P99 */
            p99: number | null;
        };
        /** SessionView */
        SessionView: {
            /** Csrf Token */
            csrf_token: string;
            /** Must Change Password */
            must_change_password: boolean;
            /** User */
            user: string;
        };
        /**
         * ShelveRequest
         * @description For how long the activation that was seen is nobody's task; 0 hours take it off the shelf.
         */
        ShelveRequest: {
            /** Activation */
            activation: number;
            /** Hours */
            hours: number;
            /**
             * Reason
             * @default
             */
            reason: string;
        };
        /** SpectrumView */
        SpectrumView: {
            /** Channel Id */
            channel_id: string;
            /** First Hz */
            first_hz: number;
            /**
             * Kind
             * @enum {string}
             */
            kind: "amplitude" | "psd" | "envelope" | "order";
            /** Markers */
            markers: components["schemas"]["FaultMarker"][];
            /** Shaft Hz */
            shaft_hz: number | null;
            /** Step Hz */
            step_hz: number;
            /** Time Ms */
            time_ms: number;
            /** Unit */
            unit: string;
            /** Values */
            values: number[];
        };
        /**
         * StageHealthView
         * @description One stage of the appliance's work. Quantiles are over `ApplianceHealthView.period_s`; null: none.
         */
        StageHealthView: {
            /** Capacity */
            capacity: number | null;
            /** Depth */
            depth: number | null;
            /** Dropped */
            dropped: number;
            /** Errors */
            errors: number;
            /** Instance */
            instance: string;
            /** P50 S */
            p50_s: number | null;
            /** P99 S */
            p99_s: number | null;
            /** Processed */
            processed: number;
            /** Stage */
            stage: string;
        };
        /** TemperatureView */
        TemperatureView: {
            /** Critical Degc */
            critical_degc: number | null;
            /** Degc */
            degc: number;
            /** High Degc */
            high_degc: number | null;
            /** Sensor */
            sensor: string;
        };
        /**
         * TrafficView
         * @description How little of what the sensors sent went on to the centre, since that account was begun.
         */
        TrafficView: {
            /** Raw Bytes */
            raw_bytes: number;
            /** Sent Bytes */
            sent_bytes: number;
            /** Stayed Ratio */
            stayed_ratio: number | null;
        };
        /**
         * TrendLimit
         * @description What was learned of a feature in one operating state, in the feature's unit.
         */
        TrendLimit: {
            /** Limit */
            limit: number;
            /** Locked */
            locked: boolean;
            /** Operating State */
            operating_state: string;
            /** Present */
            present: boolean;
            /** Provisional */
            provisional: boolean;
            /** Usual */
            usual: number;
        };
        /**
         * TrendView
         * @description One feature over time. A gap is a null between its neighbours; never interpolated.
         */
        TrendView: {
            /** Channel Id */
            channel_id: string;
            /** Feature */
            feature: string;
            /** Gaps */
            gaps: components["schemas"]["GapView"][];
            /** Limit */
            limit: number | null;
            /** Limit Marks */
            limit_marks: components["schemas"]["LimitMark"][];
            /** Limit Provisional */
            limit_provisional: boolean;
            /** Limits */
            limits: components["schemas"]["TrendLimit"][];
            /** Times Ms */
            times_ms: number[];
            /** Unit */
            unit: string;
            /** Values */
            values: (number | null)[];
        };
        /**
         * WaveformView
         * @description A capture thinned for a picture: of each span of time the least and the greatest sample, per channel.
         *
         *     A null stands where samples are missing. Times count from the trigger.
         */
        WaveformView: {
            /** Capture Id */
            capture_id: string;
            /** Channels */
            channels: string[];
            /** High */
            high: (number | null)[][];
            /** Low */
            low: (number | null)[][];
            /** Times S */
            times_s: number[];
            /** Unit */
            unit: string;
        };
        /**
         * WearView
         * @description How the flash wears; null where nothing is known.
         */
        WearView: {
            /** Classes */
            classes: components["schemas"]["ClassWearView"][];
            /** Days Left */
            days_left: number | null;
            /** Device */
            device: string;
            /** Device Written Bytes */
            device_written_bytes: number | null;
            /** Journal Bytes Per Day */
            journal_bytes_per_day: number;
            /** Life Used Percent */
            life_used_percent: number | null;
            /**
             * Source
             * @enum {string}
             */
            source: "eMMC register" | "declared endurance" | "unknown";
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_alarms: {
        parameters: {
            query?: {
                include_closed?: boolean;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlarmView"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acknowledge_alarm: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alarm_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AcknowledgeRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlarmView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_alarm_history: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alarm_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlarmTransitionView"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    shelve_alarm: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alarm_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ShelveRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlarmView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_appliance: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApplianceView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_appliance_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApplianceHealthView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_cameras: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CameraView"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_part_picture: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                capture_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "image/png": unknown;
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_captures: {
        parameters: {
            query?: {
                alarm_id?: string | null;
                asset_id?: string | null;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CaptureView"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    begin_capture: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CaptureRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CapturesBegun"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_capture_file: {
        parameters: {
            query?: {
                format?: "wav" | "uff";
            };
            header?: never;
            path: {
                capture_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All samples, float32 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": unknown;
                    "audio/wav": unknown;
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_waveform: {
        parameters: {
            query?: {
                max_points?: number;
            };
            header?: never;
            path: {
                capture_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WaveformView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_spectrum: {
        parameters: {
            query?: {
                kind?: "amplitude" | "envelope";
            };
            header?: never;
            path: {
                channel_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SpectrumView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_trend: {
        parameters: {
            query: {
                feature: string;
                start_ms?: number | null;
                end_ms?: number | null;
                max_points?: number;
            };
            header?: never;
            path: {
                channel_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrendView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_dead_letters: {
        parameters: {
            query?: {
                destination?: string | null;
                offset?: number;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadLetterPage"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    redrive_dead_letters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RedriveRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedriveView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    follow_live: {
        parameters: {
            query?: {
                after?: number | null;
            };
            header?: {
                "Last-Event-ID"?: number | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-sent events. `alarm`: AlarmTransitionView, `id:` its journal sequence; `machines`: list of MachineSummary; `machine`: MachineDetail; `appliance`: ApplianceView. A comment each 15 s. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many attempts; see Retry-After */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_machines: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MachineSummary"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_machine: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MachineDetail"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_limits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LimitsView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_limits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                asset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LimitChange"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LimitsView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description What was seen is past, or cannot be changed so */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_limit_history: {
        parameters: {
            query?: {
                limit?: number;
            };
            header?: never;
            path: {
                asset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LimitVersionView"][];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Unknown id */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LoginRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many attempts; see Retry-After */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordChange"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description The host or the body cannot be read */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not signed in */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Wrong CSRF token or origin, or the password must be changed first */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body took too long */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A field is missing or wrong */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many attempts; see Retry-After */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not possible at present */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
