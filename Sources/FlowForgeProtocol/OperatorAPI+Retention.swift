extension OperatorAPI {
    /// `GET /retention`: how long what is finished is kept, and what would be removed now.
    public struct RetentionView: Codable, Sendable, Hashable {
        public struct Rule: Codable, Sendable, Hashable {
            public var seconds: Double
            /// Runs that the next sweep would remove this of; counted to 100,000 at most.
            public var dueRuns: Int
            public init(seconds: Double, dueRuns: Int) {
                self.seconds = seconds
                self.dueRuns = dueRuns
            }
        }

        /// Absent: kept for ever; also of the others.
        public var runs: Rule?
        public var logs: Rule?
        public var lineageEvents: Rule?
        public init(runs: Rule?, logs: Rule?, lineageEvents: Rule?) {
            self.runs = runs
            self.logs = logs
            self.lineageEvents = lineageEvents
        }
    }
}
