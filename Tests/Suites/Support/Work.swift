import Foundation

/// The bundle that agents run on their bad days, and the traces that its tasks leave.
///
/// Each task appends `start <task> <attempt> <pid> <state folder>` and `end <task> <attempt>` to a ledger: what has
/// really been done, whatever was reported of it.
enum Work {
    static func bundle(in folder: URL) throws -> URL {
        let bundle = folder.appending(path: "bundle")
        try FileManager.default.createDirectory(at: bundle.appending(path: "bin"), withIntermediateDirectories: true)
        try manifest.write(to: bundle.appending(path: "flowforge.yaml"), atomically: true, encoding: .utf8)
        for (name, sql) in [
            ("one", "SELECT 1 AS id"), ("two", "SELECT id FROM bronze.first"), ("three", "SELECT id FROM silver.second"),
        ] { try sql.write(to: bundle.appending(path: "\(name).sql"), atomically: true, encoding: .utf8) }
        let script = bundle.appending(path: "bin/work.sh")
        try Self.script.write(to: script, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        return bundle
    }

    private static func flow(_ mode: String, _ more: String = "") -> String {
        "  \(mode): {tasks: {work: {layer: bronze, engine: command, command: [bin/work.sh, \(mode)]\(more)}}}"
    }

    private static let manifest = """
        bundle: {name: work, version: 1.0.0}
        variables: {ledger: {type: path}}
        flows:
        \(flow("quick"))
        \(flow("gated"))
        \(flow("daemonizing"))
        \(flow("talking"))
        \(flow("hanging", ", timeout: 1h"))
        \(flow("timed", ", timeout: 5s, retries: {max: 1, delay: 0s}"))
          writing: {tasks: {one: {layer: bronze, sql: one.sql, output: bronze.one, load: replace}}}
          chain:
            tasks:
              first: {layer: bronze, sql: one.sql, output: bronze.first, load: replace}
              second: {layer: silver, sql: two.sql, inputs: [bronze.first], output: silver.second, load: replace}
              third: {layer: gold, sql: three.sql, inputs: [silver.second], output: gold.third, load: replace}
        """

    private static let script = #"""
        #!/bin/bash
        ledger=$FLOWFORGE_VARIABLE_LEDGER
        attempt=$(basename "$HOME")
        echo "start $FLOWFORGE_TASK $attempt $$ $HOME" >> "$ledger/ledger"
        case $1 in
        quick) echo one; echo two; echo three ;;
        gated) n=0; until [ -e "$ledger/go" ]; do echo "line $n"; n=$((n + 1)); sleep 0.1; done ;;
        daemonizing)
            # A child in a session of its own, whose parent is gone, and that minds no signal.
            trap '' TERM INT HUP
            (setsid bash -c "trap '' TERM INT HUP; echo child \$\$ >> '$ledger/ledger'; while :; do sleep 0.2; done" &)
            while :; do sleep 0.2; done ;;
        talking) until [ -e "$ledger/go" ]; do sleep 0.05; done; for n in $(seq 1 20000); do echo "line $n of a task that talks and talks and talks without end"; done ;;
        hanging) while :; do sleep 0.2; done ;;
        esac
        echo "end $FLOWFORGE_TASK $attempt" >> "$ledger/ledger"
        """#
}

extension Fleet {
    /// Opens the gate of the tasks that wait.
    func go() throws { try Data().write(to: ledger.appending(path: "go")) }

    func close() throws { try FileManager.default.removeItem(at: ledger.appending(path: "go")) }

    /// The ledger's lines whose first word is `word`, as words.
    func traces(_ word: String) -> [[String]] {
        let text = (try? String(contentsOf: ledger.appending(path: "ledger"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }.filter { $0[0] == word }
    }

    /// Waits for the n-th such line.
    @discardableResult
    func trace(_ word: String, count: Int = 1, within limit: Duration = .seconds(20)) async throws -> [String] {
        try await until("\(count) traces of \(word), there are \(traces(word))", within: limit) {
            let found = traces(word)
            return found.count >= count ? found[count - 1] : nil
        }
    }
}
