import FlowForgeBundle
import FlowForgeClient
import FlowForgeProtocol
import Foundation

/// A bundle's folder on the way to the control plane.
struct PackedFolder {
    let folder: String
    let console: Console

    /// Whether `text` names a folder here, rather than a bundle of the registry.
    static func isFolder(_ text: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: text, isDirectory: &isFolder) && isFolder.boolValue
    }

    var bundle: BundleFolder { BundleFolder(URL(filePath: folder)) }

    /// Validates and packs. What is wrong is printed, all of it, and ends the command.
    func build() throws -> PackedBundle {
        let packed = try telling { () throws(BundleProblems) in try BundleBuilder.build(bundle) }
        noteMissingLock()
        return packed
    }

    func validate() throws -> Manifest {
        let manifest = try telling { () throws(BundleProblems) in try BundleBuilder.validate(bundle) }
        noteMissingLock()
        return manifest
    }

    private func noteMissingLock() {
        guard !FileManager.default.fileExists(atPath: bundle.url.appending(path: BundleLock.fileName).path) else { return }
        console.note("the bundle has no \(BundleLock.fileName), so its columns are not known: `flowforge bundle lock \(folder)`")
    }

    /// Prints what is wrong with the bundle, and ends the command.
    func telling<Result>(_ body: () throws(BundleProblems) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw tell(error)
        }
    }

    func tell(_ problems: BundleProblems) -> Ended {
        if console.json {
            let report = ProblemReport(problems.all)
            console.complain((try? WireCoding.encode(report)).map { String(decoding: $0, as: UTF8.self) } ?? "\(problems)")
        } else {
            console.complain(ProblemReport.text(problems.all, below: folder, console.noteStyle))
        }
        return Ended(status: .failed)
    }

    /// Sends what the control plane does not have, then registers the bundle, together with its signature.
    func push(
        _ bundle: PackedBundle, signed attestation: Attestation? = nil, to client: OperatorClient
    ) async throws -> (bundle: OperatorAPI.BundleView, created: Bool) {
        var sent: Int64 = 0
        for blob in bundle.blobs + (attestation?.blobs ?? [])
        where try await client.putBlob(blob.descriptor.digest, from: .bytes(blob.bytes)) {
            sent += Int64(blob.bytes.count)
        }
        let result = try await client.pushBundle(
            digest: bundle.digest, attestations: attestation.map { [$0.digest] } ?? [])
        console.note(
            "\(bundle.manifest.name)@\(bundle.manifest.version) "
                + (result.created ? "pushed (\(Figures.bytes(sent)) sent)" : "was in the registry already") + ", \(bundle.digest)"
        )
        return result
    }
}

/// Every problem of a bundle, in the error's form: `{"error": {"code": "invalid_bundle", …, "problems": […]}}`.
struct ProblemReport: Encodable {
    struct Content: Encodable {
        var code = ErrorCode.invalidBundle
        var message: String
        var hint: String?
        var metadata: [String: String] = [:]
        var problems: [Problem]
    }
    var error: Content

    init(_ problems: [Problem], of what: String = "the bundle has") {
        let number = Figures.count(Int64(problems.count), "problem")
        error = Content(message: "\(what) \(number)", hint: nil, problems: problems)
    }

    /// `file:line:column: error: …`, as compilers write it, so that editors jump there.
    static func text(_ problems: [Problem], below folder: String, _ style: Style) -> String {
        var lines: [String] = []
        for problem in problems {
            let path = folder == "." || problem.file.hasPrefix("/") ? problem.file : "\(folder)/\(problem.file)"
            let place = [path, problem.line.map(String.init), problem.column.map(String.init)]
            lines.append(
                style.paint(place.compactMap(\.self).joined(separator: ":") + ":", .bold) + " "
                    + style.paint("error:", .bold, .red) + " \(problem.message)")
            if let hint = problem.hint { lines.append("  \(style.paint("hint:", .cyan)) \(hint)") }
        }
        lines.append(Figures.count(Int64(problems.count), "problem") + " found")
        return lines.joined(separator: "\n")
    }
}

extension CommandError {
    static func noBundle(_ text: String) -> CommandError {
        CommandError(
            .notFound, .notFound, "'\(text)' is no folder here, nor is it NAME@VERSION or a digest",
            hint: "give the folder that holds \(BundleFolder.manifestName), or see `flowforge bundle list`")
    }
}
