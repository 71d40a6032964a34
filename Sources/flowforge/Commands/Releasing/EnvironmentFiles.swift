import ArgumentParser
import FlowForgeBundle
import FlowForgeClient
import FlowForgeDomain
import FlowForgeProtocol
import Foundation

/// Environment files of the command line: files, or folders of them.
struct EnvironmentFiles {
    let console: Console
    let now: Date

    /// Every declaration, upstreams before those that name them. What is wrong is printed, all of it, and
    /// ends the command.
    func read(_ paths: [String]) throws -> [EnvironmentSpec] {
        var specs: [EnvironmentSpec] = []
        var problems: [Problem] = []
        for file in try paths.flatMap(files) {
            do { specs.append(try read(file)) } catch { problems += error.all }
        }
        for spec in specs where specs.count(where: { $0.name == spec.name }) > 1 {
            problems.append(
                Problem(
                    file: paths.joined(separator: ", "), message: "environment '\(spec.name)' is declared twice",
                    hint: "leave one of them out"))
        }
        guard problems.isEmpty else {
            let all = Problems(problems).all
            if console.json {
                let report = ProblemReport(all, of: "the environment files have")
                console.complain((try? WireCoding.encode(report)).map { String(decoding: $0, as: UTF8.self) } ?? "")
            } else {
                console.complain(ProblemReport.text(all, below: ".", console.noteStyle))
            }
            throw Ended(status: .failed)
        }
        return Self.sorted(specs)
    }

    private func files(_ path: String) throws -> [URL] {
        let url = URL(filePath: path)
        guard PackedFolder.isFolder(path) else { return [url] }
        let found = try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
            .filter { ["yaml", "yml"].contains($0.pathExtension) }.sorted { $0.path < $1.path }
        guard !found.isEmpty else {
            throw CommandError(.notFound, .notFound, "there is no .yaml file in '\(path)'", hint: "see docs/environments.md")
        }
        return found
    }

    private func read(_ file: URL) throws(Problems) -> EnvironmentSpec {
        let name = file.relativePath
        let contents: Data
        do { contents = try Data(contentsOf: file) } catch {
            throw Problems([Problem(file: name, message: "cannot be read", hint: "check the path")])
        }
        return try EnvironmentReader.read(contents, file: name, now: now) { path in
            try Data(contentsOf: file.deletingLastPathComponent().appending(path: path))
        }
    }

    private static func sorted(_ specs: [EnvironmentSpec]) -> [EnvironmentSpec] {
        var sorted: [EnvironmentSpec] = []
        var left = specs
        while !left.isEmpty {
            let ready = left.filter { spec in
                !spec.upstream.contains { upstream in left.contains { $0.name == upstream.environment && $0.name != spec.name } }
            }
            // What goes round in a circle is the control plane's to refuse.
            sorted += ready.isEmpty ? left : ready
            left.removeAll { spec in ready.isEmpty || ready.contains { $0.name == spec.name } }
        }
        return sorted
    }
}

/// `field: before → after`, a line each.
enum FieldChanges {
    static func text(_ changes: [OperatorAPI.FieldChange], _ style: Style) -> String {
        changes.map { change in
            switch (change.before, change.after) {
            case (nil, let after?): "  \(style.paint("+", .green)) \(change.field): \(short(after))"
            case (let before?, nil): "  \(style.paint("-", .red)) \(change.field): \(short(before))"
            case (let before, let after): "  \(style.paint("~", .yellow)) \(change.field): \(short(before)) → \(short(after))"
            }
        }.joined(separator: "\n")
    }

    static func short(_ value: JSONValue?) -> String {
        guard let value else { return "none" }
        if let text = value.string { return Printable.line(text) }
        let text = (try? WireCoding.encode(value)).map { Printable.line(String(decoding: $0, as: UTF8.self)) } ?? "?"
        return text.count > 120 ? "\(text.prefix(119))…" : text
    }
}
