"""The meaning of each log event, and the action that it asks for: columns of docs/events.md.

An event that is renamed in the code is renamed here; `tests/metrics/test_events.py` names the ones that differ.
"""

NOTHING = "nothing"

NOTES: dict[str, tuple[str, str]] = {
    "absences_dropped": (
        "The joiner holds its limit of absences and dropped the oldest: a late record of theirs may end as missing.",
        "find out why the candidate leaves so many inputs without an output",
    ),
    "alert": ("An incident opened or a verdict rejects; the data is the alert.", "look at the incident or the verdict"),
    "alert_muted": ("An alert is not sent, because its incident is muted.", NOTHING),
    "alerts_left_out": (
        "`up` runs without the alerts role; `problem` has the reason.",
        "install the extra `alerts`, or remove `alerts.webhook`",
    ),
    "assigned": ("The group assigned partitions to this process, and their committed state is loaded.", NOTHING),
    "attempt_not_noted": (
        "The candidate timed out, and the record of that attempt could not be written.",
        "check the broker; the next process tries the input again",
    ),
    "begin_deleted": (
        "Retention deleted the inputs at which a revision was to begin, so the trial begins anew.",
        "raise the retention of the inputs if the trial must begin earlier",
    ),
    "broker_unreachable": ("No broker answers. Roles wait and try again.", "check `kafka.bootstrap` and the brokers"),
    "candidate_crashed": (
        "The candidate ended its process on this input twice; the input is an absence.",
        "reproduce the candidate with the input at this offset",
    ),
    "candidate_raised": (
        "The first exception of its kind from the candidate, with its traceback; the input is an absence.",
        "fix the candidate, or keep the errors as evidence",
    ),
    "candidate_timeout": (
        "A call of the candidate exceeded `candidate.timeout_ms`; the process ends and is started again.",
        "look at the stack; raise the timeout if the call is legitimately slow",
    ),
    "candidate_went_back": (
        "The committed offset of the external candidate's group went back; it answers inputs again.",
        "find out whether somebody reset the group",
    ),
    "candidate_without_commits": (
        "The external candidate's group has not committed on these partitions, so no record there is missing yet.",
        "check `candidate.group`",
    ),
    "claim_unknown": ("The broker did not answer whether this process still owns its place.", NOTHING),
    "client_call_stuck": (
        "A client call did not return; the process ends and is started again.",
        "check broker and network if it repeats",
    ),
    "client_error": ("The Kafka client reports an error of its own.", "check broker and network if it repeats"),
    "client_line": ("A raw line of the Kafka client.", NOTHING),
    "command_unreadable": (
        "A record of `commands` cannot be decoded and is left out.",
        "find out who else writes to the topic; give the command again",
    ),
    "commit_failed": (
        "A commit failed. An abortable error aborts and rewinds; any other ends the process.",
        "check the broker if it repeats",
    ),
    "consume_error": ("The client reports an error instead of a record.", "check the broker if it repeats"),
    "copy_finished": ("A bounded run has copied everything.", NOTHING),
    "corrections_dropped": (
        "More missing and extra records than `limits.corrections_max`: the oldest are no longer correctable.",
        "raise `limits.corrections_max` if partners come this late",
    ),
    "commit_recovered": ("Without transactions, a predecessor's commit was found complete and is recovered.", NOTHING),
    "delivered": ("The alert was delivered, and that is recorded.", NOTHING),
    "delivery_failed": (
        "The webhook did not take an alert; it is sent again.",
        "check `alerts.webhook` and its service",
    ),
    "diff_unreadable": (
        "A record of `diff` cannot be read back, so its outcome is no longer correctable.",
        "find out who else writes to the topic",
    ),
    "done": ("A role finished and exited with code 0.", NOTHING),
    "drift": ("The judge reports a change, or an incident that opens or closes.", "look at the criterion it names"),
    "end_of_batch_not_found": (
        "The end of a batch that the client cannot decompress was not found; the search continues later.",
        NOTHING,
    ),
    "event_times_ahead": (
        "Records dated more than `future_ms_max` ahead of the clock; they move no watermark.",
        "check the clocks of the producers",
    ),
    "failed": (
        "A role ended for a reason that a restart does not mend; `others` names what the other roles do.",
        "read `reason`, mend it, start again",
    ),
    "fetch_delayed": ("Records for corrections cannot be read now; the joiner tries again.", NOTHING),
    "fetch_stuck": (
        "Records for corrections did not come in time; the joiner asks again.",
        "check the broker if it repeats",
    ),
    "task_incomplete": (
        "Under `kafka.group_protocol: consumer`, another member still owns a side of these tasks.",
        "nothing, unless it stays: then look at the other member",
    ),
    "hook_failed": (
        "A function of `compare` raised, hung or ended its process; the pair is not compared.",
        "fix the function that `call` names",
    ),
    "identities_shed": (
        "Memory is full under `limits.overflow: shed`; of the identities one in `all_but_one_in` is left.",
        "begin a new trial with more memory or more joiners, if coverage matters",
    ),
    "identity_finds_nothing": (
        "Most sampled records of production have no id under the configured identity.",
        "check `identity`",
    ),
    "identity_not_sampled": ("The identity could not be tried on production's records at the start.", NOTHING),
    "identity_repeats": (
        "Many sampled records of production repeat an id.",
        "choose another `identity.kind`, for example occurrence",
    ),
    "incident_closed": ("An incident closed.", NOTHING),
    "killed": ("A role did not end within its time and was killed.", "look at that role's log"),
    "label_unreadable": ("A label cannot be decoded and is left out.", "check the topic and format of `labels`"),
    "listening": ("Metrics and probes are served.", NOTHING),
    "lost": (
        "The group took partitions away without notice; uncommitted work is dropped.",
        "check for slow steps if it repeats",
    ),
    "mark_unreadable": (
        "A record of `progress` or `starts` is no mark and is left out.",
        "find out who else writes to the topic",
    ),
    "marks_delayed": ("Marks could not be written now; they follow later.", NOTHING),
    "not_started": ("The process of a role could not be started; the supervisor tries again.", "read `error`"),
    "note_failed": (
        "An alert was delivered, and that could not be recorded; it is recorded again later.",
        "check the broker; after a restart the alert may come twice",
    ),
    "observation_delayed": ("The joiner could not ask the broker for ends and commits; it tries again.", NOTHING),
    "only_control_records_follow": (
        "A group's commit has only control records after it, so it counts as the end of the partition.",
        NOTHING,
    ),
    "own_record_refused": (
        "A record of the trial's own topics cannot be one of ours and is left out.",
        "find out who else writes to the topic",
    ),
    "partitioner_check_delayed": ("Production's partitioner could not be checked now; it is checked later.", NOTHING),
    "partitioner_detected": ("Production's partitioner was found by sampling.", NOTHING),
    "partitioner_strays": (
        "Some sampled keys are not where the pinned partitioner puts them.",
        "find out which producer writes them; missing and extra there are suspect",
    ),
    "partitioner_unproven": (
        "The sample can neither confirm nor contradict the partitioner.",
        "nothing, unless `candidate.partitioner` is a guess",
    ),
    "partitioners_differ": (
        "Production and the external candidate choose partitions differently; both are copied.",
        NOTHING,
    ),
    "partitions_differ": (
        "Production and the external candidate have different partition counts; both are copied.",
        NOTHING,
    ),
    "pending_over_bound": (
        "Pending records exceed `limits.pending_bytes_max`, although the leading sides are paused.",
        "add memory or joiners, or set `limits.overflow`",
    ),
    "partition_paused": ("A partition cannot be read on for now; it is paused and tried again.", "read `error`"),
    "production_is_done": ("In a bounded run, production has answered all inputs.", NOTHING),
    "production_writable": (
        "The broker would allow this user to write to production's topics.",
        "remove the right: `shadowstream topics acls` prints the ones that are needed",
    ),
    "reading_failed": ("Before an alert was sent, the broker did not answer; it is tried again.", "check the broker"),
    "record_refused": ("The alerts role could not handle a record and skipped it.", "report it as a bug"),
    "record_unreadable": (
        "A record cannot be decompressed or decoded and is skipped; the joiner counts it as undecodable.",
        "read `error`; a larger `receive.message.max.bytes` under `kafka.client` may read it",
    ),
    "registry_reached": ("The schema registry answers again.", NOTHING),
    "registry_unreachable": (
        "The schema registry does not answer; records with new schemas wait.",
        "check `schemas.registry`",
    ),
    "restarting": ("A role ended and is started again after a wait.", "read `reason` if it repeats"),
    "restored": ("The role restored its state from the last commit.", NOTHING),
    "revisions_not_named": (
        "Records name a revision that no mark has announced in time; they count under that name.",
        "check the runner",
    ),
    "revoked": ("The group revoked partitions; their work is committed first.", NOTHING),
    "row_not_taken": ("A subscriber's partition moved to another member, which reads this row again.", NOTHING),
    "rows_cut": ("Diff rows were too large for their topic and are truncated.", NOTHING),
    "rows_taken_back": (
        "Without transactions, tombstones replaced diff rows that a predecessor had not decided.",
        NOTHING,
    ),
    "correctable_restored": ("The correctable outcomes were read again from `diff`.", NOTHING),
    "schemas_awaited": ("Pairs wait for a schema that the registry does not return now.", "check `schemas.registry`"),
    "schemas_came": ("All awaited schemas are there.", NOTHING),
    "schemas_differ": (
        "Production and the candidate write a value with different schemas; the data names the changes.",
        "check that the changes are meant",
    ),
    "scored_unreadable": (
        "A record of `scored` cannot be decoded and is left out.",
        "find out who else writes to the topic",
    ),
    "side_held_back": (
        "The leading side of these tasks is paused; its records stay in Kafka.",
        "look at the side that lags",
    ),
    "side_resumed": ("No side is paused any more.", NOTHING),
    "snapshot_not_kept": ("A snapshot of the candidate's state could not be used or written.", "read `reason`"),
    "source_records_gone": (
        "Retention deleted records that this replay would compare; it begins after them.",
        "replay earlier, or raise the retention",
    ),
    "source_records_lost": (
        "Retention deleted records before the joiner read them; the ledger keeps a remainder.",
        "begin a new trial, with longer retention",
    ),
    "spill_refused": (
        "The spill file is full or its disk is; values stay in memory.",
        "make room in `limits.spill_dir`",
    ),
    "spilled_values_back": ("All spilled values are back in memory.", NOTHING),
    "started": ("The process of a role was started.", NOTHING),
    "start_marks_migrated": ("The start marks of an earlier release were copied from `progress` to `starts`.", NOTHING),
    "state_refused": (
        "A state record cannot be used. The judge takes the one before it; the joiner ends.",
        "find out who else writes to the topic; read the error",
    ),
    "state_too_large": (
        "The judge's state does not fit a record; a restart reads statistics again from the last state.",
        "find the tasks that keep windows open",
    ),
    "stats_unreadable": (
        "A record of `stats` cannot be decoded; its loss leaves a remainder.",
        "find out who else writes to the topic",
    ),
    "stop_slow": ("Faust did not stop in time and is cancelled.", NOTHING),
    "store_rebuilt": ("The labels' store was rebuilt from `labels-state`.", NOTHING),
    "supervisor_gone": ("The supervisor of this role is gone; the role commits and ends.", "start `up` again"),
    "topic_created": ("A topic of the trial was created.", NOTHING),
    "topics_not_described": ("The broker did not describe the trial's topics; the check is repeated.", NOTHING),
    "trial_begins": ("A revision begins at these offsets.", NOTHING),
    "trial_started": ("The start mark of the revision is there; the role runs.", NOTHING),
    "values_spilled": ("Values of pending records are in the spill file.", "look at the side that lags"),
    "waiting_for_broker": ("A role ended because no broker answers; it is started again.", NOTHING),
    "waiting_for_production": (
        "Production has written no record yet, so its partitioner is unknown.",
        "start production, or set `candidate.partitioner`",
    ),
    "waiting_for_start_mark": ("The joiner waits for the runner's start mark.", "start the runner"),
    "waiting_for_topics": ("The alerts role waits for the trial's topics.", "start the runner, or apply the topics"),
    "warm_up_closed": ("The warm-up of the revision ended.", NOTHING),
    "watching": ("The marks of the external candidate are being made from its group's commits.", NOTHING),
    "write_failed": ("A record could not be written; the commit fails.", "read `error`"),
}
