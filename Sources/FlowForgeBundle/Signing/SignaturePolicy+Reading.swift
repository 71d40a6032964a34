public import Foundation

extension SignaturePolicy {
    /// The section `signatures: {keys: [FILE or folder, …], required: true|false}` of a configuration. With keys, signatures are
    /// required unless it says otherwise. What is wrong is reported where it stands; `place` resolves paths.
    public init(_ root: YAMLMapping, place: (String) -> URL) {
        self.init()
        guard let section = root.mapping("signatures", keys: ["keys", "required"]) else { return }
        let files = section.texts("keys", single: true) ?? []
        var entries: [KeyRing.Entry] = []
        for (text, position) in files {
            do throws(SigningFault) {
                entries += try KeyRing(files: [place(text)]).entries
            } catch {
                section.reader.report("'keys' of \(section.what): \(error.message)", hint: error.hint, at: position)
            }
        }
        keys = KeyRing(entries)
        let said = section.boolean("required")
        isRequired = said ?? !keys.isEmpty
        if said == true, files.isEmpty {
            section.reader.report(
                "'required' of \(section.what) is true, and there are no keys",
                hint: "name PEM files of public keys under 'keys'",
                at: section.position(of: "required"))
        }
    }
}
