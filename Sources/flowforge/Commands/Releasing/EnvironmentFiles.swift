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

    /// Every declaration, upstreams before those that name them. Of a folder, files of values that another of its
    /// files names under `config.defaults` declare nothing. What is wrong is printed, all of it, and ends the command.
    func read(_ paths: [String]) throws -> [EnvironmentSpec] {
        let all = try paths.flatMap(files).map(content)
        let declaring = all.filter { file in
            !file.isListed || !all.contains { $0.place != file.place && $0.defaults.contains(file.place) }
        }
        var declared: [(spec: EnvironmentSpec, file: String)] = []
        var problems: [Problem] = []
        for file in declaring {
            switch file.content {
            case .success(let spec):
                if let twin = declared.first(where: { $0.spec.name == spec.name }) {
                    problems.append(
                        Problem(
                            file: file.name, message: "environment '\(spec.name)' is declared twice",
                            hint: "\(twin.file) declares it, too; leave one of them out"))
                } else {
                    declared.append((spec, file.name))
                }
            case .failure(let found): problems += found.all
            }
        }
        guard problems.isEmpty else {
            throw console.tell(
                Problems(problems), code: "invalid_environment", of: "the environment files have", below: ".")
        }
        return Self.sorted(declared.map(\.spec))
    }

    /// A file, read.
    private struct Read {
        var name: String
        var place: String
        /// Found in a folder, not named itself.
        var isListed: Bool
        /// The places of the files that it names under `config.defaults`.
        var defaults: Set<String>
        var content: Result<EnvironmentSpec, Problems>
    }

    private func files(_ path: String) throws -> [(url: URL, isListed: Bool)] {
        let url = URL(filePath: path)
        guard PackedFolder.isFolder(path) else { return [(url, false)] }
        let found = try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
            .filter { ["yaml", "yml"].contains($0.pathExtension) }.sorted { $0.path < $1.path }
        guard !found.isEmpty else {
            throw CommandError(.notFound, .notFound, "there is no .yaml file in '\(path)'", hint: "see docs/environments.md")
        }
        return found.map { ($0, true) }
    }

    private func content(of file: (url: URL, isListed: Bool)) -> Read {
        let name = file.url.relativePath
        var result = Read(
            name: name, place: Self.place(file.url), isListed: file.isListed, defaults: [],
            content: .failure(Problems([Problem(file: name, message: "cannot be read", hint: "check the path")])))
        guard let contents = try? Data(contentsOf: file.url) else { return result }
        var defaults: Set<String> = []
        do {
            let spec = try EnvironmentReader.read(contents, file: name, now: now) { path in
                let values = file.url.deletingLastPathComponent().appending(path: path)
                defaults.insert(Self.place(values))
                return try Data(contentsOf: values)
            }
            result.content = .success(spec)
        } catch {
            result.content = .failure(error)
        }
        result.defaults = defaults
        return result
    }

    private static func place(_ file: URL) -> String { file.standardizedFileURL.resolvingSymlinksInPath().path }

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
            case (let before, let after):
                "  \(style.paint("~", .yellow)) \(change.field): \(short(before)) \(style.rightArrow) \(short(after))"
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
