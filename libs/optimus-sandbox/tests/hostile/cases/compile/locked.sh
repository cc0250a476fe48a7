# Folders that nobody may enter or remove from.
mkdir -p closed/inner && echo x > closed/inner/file
chmod 000 closed/inner closed
echo ok > artefact
chmod 000 artefact
exit 0
