import FlowForgeProtocol
import Foundation
import Testing

@testable import FlowForgeAgentCore

@Suite struct LocalCredentialTests {
    private func resolver(_ folder: URL) -> CredentialResolver {
        CredentialResolver(
            CredentialSettings(
                allowedVariables: ["ALLOWED", "EMPTY", "UNSET"], allowedFolders: [folder.appending(path: "secrets")]),
            environment: ["ALLOWED": "from-environment", "OTHER": "planted", "EMPTY": ""])
    }

    private func resolve(_ reference: String, in folder: URL) async throws -> String {
        let values = try await resolver(folder).resolve(["x"], among: ["x": reference, "y": "env://OTHER"])
        #expect(values.count == 1)
        return String(decoding: values["x"]?.reveal() ?? [], as: UTF8.self)
    }

    private func write(_ text: String, _ path: String, in folder: URL, mode: Int = 0o600) throws -> String {
        let file = folder.appending(path: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        return "file://\(file.path)"
    }

    @Test func `variables and files that the owner allows are had, and members of objects`() async throws {
        try await withTemporaryFolder { folder in
            #expect(try await resolve("env://ALLOWED", in: folder) == "from-environment")
            #expect(try await resolve(write("plain\n", "secrets/a", in: folder), in: folder) == "plain")
            #expect(try await resolve(write("two\n\n", "secrets/b", in: folder, mode: 0o400), in: folder) == "two\n")
            let object = try write(
                #"{"user":"u","port":5432,"on":true,"deep":{"a":1}}"#, "secrets/deep/c.json", in: folder, mode: 0o640)
            #expect(try await resolve(object + "#user", in: folder) == "u")
            #expect(try await resolve(object + "#port", in: folder) == "5432")
            #expect(try await resolve(object + "#on", in: folder) == "true")
            await #expect(throws: TaskError.self) { try await resolve(object + "#deep", in: folder) }
            await #expect(throws: TaskError.self) { try await resolve(object + "#gone", in: folder) }
        }
    }

    @Test func `nothing else is, and no value is in what is said about it`() async throws {
        try await withTemporaryFolder { folder in
            let outside = try write("planted", "elsewhere/x", in: folder)
            _ = try write("planted", "secrets/ok", in: folder)
            _ = try write("planted", "secrets-too/x", in: folder)
            for (name, target) in [("out", "../elsewhere/x"), ("folder", "../elsewhere")] {
                try FileManager.default.createSymbolicLink(
                    atPath: folder.appending(path: "secrets/\(name)").path, withDestinationPath: target)
            }
            #expect(mkfifo(folder.appending(path: "secrets/pipe").path, 0o600) == 0)
            let base = "file://\(folder.path)"
            let references = [
                "env://OTHER", "env://UNSET", "env://EMPTY", "env://PATH", outside, "\(base)/secrets-too/x",
                "\(base)/secrets/out",
                "\(base)/secrets/folder/x", "\(base)/secrets/gone", "\(base)/secrets", "file:///etc/passwd",
                "file:///proc/self/environ", "\(base)/secrets/pipe", try write("planted", "secrets/all", in: folder, mode: 0o604),
                try write("planted", "secrets/group", in: folder, mode: 0o620), try write("", "secrets/empty", in: folder),
                try write("\n", "secrets/newline", in: folder),
                try write(String(repeating: "planted", count: 10_000), "secrets/large", in: folder),
                try write("planted", "secrets/text", in: folder) + "#field",
                try write("[\"planted\"]", "secrets/list", in: folder) + "#0", "planted-itself", "s3://planted/x",
            ]
            for reference in references {
                let error = await #expect(throws: TaskError.self, "\(reference)") { try await resolve(reference, in: folder) }
                #expect(error?.code == "credential_unresolved" && error?.retryable == false, "\(reference): \(error as Any)")
                #expect(error?.message.contains("'x'") == true && error?.hint?.isEmpty == false)
                #expect(!"\(error as Any)".contains("planted"), "\(error as Any)")
            }
        }
    }

    @Test func `a name that is no file's name and one without a reference are refused`() async throws {
        try await withTemporaryFolder { folder in
            for name in ["../x", "", "X", "y/z"] {
                await #expect(throws: TaskError.self) {
                    try await resolver(folder).resolve([name], among: [name: "env://ALLOWED"])
                }
            }
            await #expect(throws: TaskError.self) {
                try await resolver(folder).resolve(["z"], among: ["x": "env://ALLOWED"])
            }
        }
    }

    @Test func `a task's folder is in memory, its own, and gone afterwards`() async throws {
        try await withTemporaryFolder { state in
            let root = try #require(CredentialFolder.root(state: state, environment: [:]), "/dev/shm is needed")
            defer { try? CredentialFolder.clear(root) }
            let values = ["a": try CredentialValue("one".utf8), "b": try CredentialValue([0, 255])]
            let attempt = ID<Attempt>.make()
            let folder = try CredentialFolder(values, attempt: attempt, root: root)
            #expect(try DiskFile.mode(folder.url) == 0o700 && DiskFile.mode(root) == 0o700)
            #expect(try DiskFile.mode(folder.url.appending(path: "a")) == 0o400)
            #expect(try Data(contentsOf: folder.url.appending(path: "b")) == Data([0, 255]))
            // Nobody's file is written over.
            #expect(throws: TaskError.self) { try CredentialFolder(values, attempt: attempt, root: root) }
            try CredentialFolder.clear(root)
            #expect(!FileManager.default.fileExists(atPath: root.path))
            // Another's folder, or a link to one, is not used.
            try FileManager.default.createSymbolicLink(at: root, withDestinationURL: state)
            #expect(throws: TaskError.self) { try CredentialFolder(values, attempt: attempt, root: root) }
            try FileManager.default.removeItem(at: root)
            #expect(throws: TaskError.self) { try CredentialFolder(values, attempt: attempt, root: nil) }
            let other = CredentialFolder.root(state: state, environment: ["RUNTIME_DIRECTORY": "/dev/shm:/x"])
            #expect(other?.path.hasPrefix("/dev/shm/") == true)
        }
    }

    @Test func `what is mounted where says what is in memory`() {
        let mounts = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
            24 23 0:22 / /dev/shm rw,nosuid shared:3 master:7 - tmpfs tmpfs rw
            25 22 0:23 / /run rw - tmpfs tmpfs rw
            26 25 8:2 / /run/disk rw - ext4 /dev/sdb rw
            27 22 0:24 / /both rw - tmpfs tmpfs rw
            28 27 8:3 / /both rw - ext4 /dev/sdc rw
            broken line
            """
        for path in ["/dev/shm", "/dev/shm/x", "/run", "/run/user/1"] {
            #expect(CredentialFolder.isInMemory(path, mounts: mounts), "\(path)")
        }
        for path in ["/", "/dev", "/dev/shmx", "/run/disk", "/run/disk/x", "/both", "/var"] {
            #expect(!CredentialFolder.isInMemory(path, mounts: mounts), "\(path)")
        }
        #expect(!CredentialFolder.isInMemory("/x", mounts: ""))
    }
}
