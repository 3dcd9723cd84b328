// The parts that screens are made of. They know nothing of messages: every word reaches them as a property.
export { default as Button } from "./Button.svelte";
export { default as Choice } from "./Choice.svelte";
export { default as Dialog } from "./Dialog.svelte";
export { default as Digits } from "./Digits.svelte";
export { default as Empty } from "./Empty.svelte";
export { default as Field } from "./Field.svelte";
export { default as FileRow } from "./FileRow.svelte";
export { default as IconButton } from "./IconButton.svelte";
export { default as Notice } from "./Notice.svelte";
export { default as Pick } from "./Pick.svelte";
export { default as Progress } from "./Progress.svelte";
export { default as Rows } from "./Rows.svelte";
export { default as Seal } from "./Seal.svelte";
export { default as SearchField } from "./SearchField.svelte";
export { default as SecretField } from "./SecretField.svelte";
export { default as Switch } from "./Switch.svelte";
export { default as WordGroups } from "./WordGroups.svelte";
