import FlowForgeProtocol
import Foundation
import Logging
import Synchronization

/// Answers what the control plane asks about the lake: one question at a time, beside the tasks and without
/// one of their slots. A question that no poll's answer names any more is given up.
final class InquiryDesk: Sendable {
    private let lake: LakeFolder
    /// DuckDB's, where this agent has it.
    private let host: EngineHost?
    private let workspaces: URL
    private let spool: EventSpool
    private let logger: Logger
    private let now: @Sendable () -> Date
    private let clock: any MonotonicClock
    private let state = Mutex(State())
    private let changed = PollWake()

    private struct Key: Hashable {
        var inquiry: ID<Inquiry>
        var fencing: Int64
    }

    private struct State {
        var wanted: [AgentAPI.Question] = []
        var current: (key: Key, end: EndSignal)?
        /// Answered, or too late to answer, as long as polls still name them.
        var done: Set<Key> = []
    }

    init(
        lake: LakeFolder, host: EngineHost?, workspaces: URL, spool: EventSpool, logger: Logger,
        now: @escaping @Sendable () -> Date = Date.init, clock: any MonotonicClock = ContinuousClock()
    ) {
        self.lake = lake
        self.host = host
        self.workspaces = workspaces
        self.spool = spool
        self.logger = logger
        self.now = now
        self.clock = clock
    }

    /// Kinds of questions that can be answered here.
    var kinds: [String] { host == nil ? ["inspect"] : ["compare", "inspect"] }

    /// All that this agent is to answer, as a poll's answer says.
    func heard(_ questions: [AgentAPI.Question]) {
        let end: EndSignal? = state.withLock { state in
            let keys = Set(questions.map(Self.key))
            state.wanted = questions
            state.done.formIntersection(keys)
            return state.current.flatMap { keys.contains($0.key) ? nil : $0.end }
        }
        end?.fire()
        changed.fire()
    }

    /// Until the calling Swift task is cancelled.
    func run() async {
        while !Task.isCancelled {
            guard let (question, end) = next() else {
                await changed.wait()
                continue
            }
            let ending = await answer(question, until: end)
            let isWanted = state.withLock { state in
                state.current = nil
                let isWanted = state.wanted.contains { Self.key($0) == Self.key(question) }
                // Polls name it until the control plane has given it up, too.
                if isWanted, case .late = ending { state.done.insert(Self.key(question)) }
                return isWanted
            }
            guard !Task.isCancelled, isWanted, case .answered(let answered) = ending else { continue }
            do {
                try await spool.append(EventDraft(at: now(), body: .answered(answered)))
                state.withLock { _ = $0.done.insert(Self.key(question)) }
                logger.info(
                    "an inquiry was answered",
                    metadata: ["inquiry": "\(question.inquiry)", "error": "\(answered.error?.code ?? "none")"])
            } catch {
                // The control plane names it again with its next answer; the disk may be better by then.
                logger.error("an answer cannot be spooled", metadata: ["inquiry": "\(question.inquiry)", "reason": "\(error)"])
                do { try await clock.sleep(for: .seconds(10)) } catch { return }
            }
        }
    }

    private static func key(_ question: AgentAPI.Question) -> Key { Key(inquiry: question.inquiry, fencing: question.fencing) }

    private func next() -> (AgentAPI.Question, EndSignal)? {
        state.withLock { state in
            guard let next = state.wanted.first(where: { !state.done.contains(Self.key($0)) }) else { return nil }
            let end = EndSignal()
            state.current = (Self.key(next), end)
            return (next, end)
        }
    }

    private enum Ending: Sendable {
        case answered(AgentAPI.Answered)
        case withdrawn
        /// Its time ran out.
        case late
    }

    private func answer(_ question: AgentAPI.Question, until end: EndSignal) async -> Ending {
        logger.info(
            "answering an inquiry", metadata: ["inquiry": "\(question.inquiry)", "kind": "\(question.question.kind)"])
        return await withTaskGroup(of: Ending.self) { group in
            group.addTask { await self.answered(question).map(Ending.answered) ?? .withdrawn }
            group.addTask {
                await end.wait()
                return .withdrawn
            }
            group.addTask {
                // Nobody waits any longer than that.
                do { try await self.clock.sleep(for: .seconds(min(max(question.seconds, 0), 86_400))) } catch {
                    return .withdrawn
                }
                return .late
            }
            let first = await group.next() ?? .withdrawn
            group.cancelAll()
            return first
        }
    }

    /// `nil` when the calling Swift task was cancelled.
    private func answered(_ question: AgentAPI.Question) async -> AgentAPI.Answered? {
        var answered = AgentAPI.Answered(inquiry: question.inquiry, fencing: question.fencing)
        do {
            answered.answer = try await look(question)
        } catch {
            // The engine's own words stay here.
            if Task.isCancelled || error is CancellationError { return nil }
            logger.warning("an inquiry has no answer", metadata: ["inquiry": "\(question.inquiry)", "reason": "\(error)"])
            answered.error = AttemptRun.taskError(error)
        }
        return answered
    }

    private func look(_ question: AgentAPI.Question) async throws -> InquiryAnswer {
        guard isPlainName(question.environment) else {
            throw TaskError(code: "invalid_inquiry", message: "the environment's name is not a plain name")
        }
        let lake = try lake.following(question.storage)
        switch question.question {
        case .inspect(let inspect):
            return .inspect(try await LakeInspection(lake: lake, environment: question.environment).answer(inspect))
        case .compare(let compare):
            guard let host else {
                throw TaskError(code: "engine_missing", message: "this agent has no engine 'duckdb' to compare with")
            }
            let workspace = workspaces.appending(path: question.inquiry.description)
            try DiskFile.makeFolder(workspace, mode: 0o700)
            defer {
                do { try FileManager.default.removeItem(at: workspace) } catch {
                    logger.warning("a workspace stays behind", metadata: ["folder": "\(workspace.path)", "reason": "\(error)"])
                }
            }
            let comparison = LakeComparison(lake: lake, environment: question.environment, host: host, workspace: workspace)
            return .compare(try await comparison.answer(compare))
        case .unknown(let kind):
            throw TaskError(
                code: "invalid_inquiry", message: "this agent answers no '\(kind.prefix(80))'", hint: "update the agent")
        }
    }
}
