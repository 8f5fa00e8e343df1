//! Every sentence of the contract.

mamparo_conformance::ledger_suite!({
    let folder = tempfile::tempdir().unwrap();
    let ledger = mamparo_ledger_sqlite::Options::new(folder.path().join("ledger.db")).open().unwrap();
    (folder, ledger)
});
