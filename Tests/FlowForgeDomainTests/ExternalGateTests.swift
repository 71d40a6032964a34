import FlowForgeDomain
import Testing

@Suite struct ExternalGateTests {
    @Test(arguments: [
        "https://tickets.example.com/changes?team=data", "https://10.0.0.7:8443/x", "http://127.0.0.1:8080/",
        "http://localhost:1",
        "http://[::1]:9/x",
    ]) func `an address that may be asked`(_ url: String) { #expect(GateSpec.External(url: url).isAddressable) }

    @Test(arguments: [
        "", "https://", "http://tickets.example.com/", "http://127.0.0.1.example.com/", "http://localhost.example.com/",
        "http://127.0.0.1@example.com/", "https://user:secret@example.com/", "https://example.com/#x", "ftp://example.com/",
        "file:///etc/passwd", "unix:///run/x.sock", "https:example.com", "//example.com/", "https://exa mple.com/",
        "https://example.com/\r\nX: y", "HTTP://example.com/", "https://example.com/" + String(repeating: "a", count: 2048),
    ]) func `an address that may not`(_ url: String) { #expect(!GateSpec.External(url: url).isAddressable) }
}
